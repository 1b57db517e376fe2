for word in self the if a return in is def none to; do
    echo "1000 $word"
done > "$HOLDFAST_OUT/top.txt"
