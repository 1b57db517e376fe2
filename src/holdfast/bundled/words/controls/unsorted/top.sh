export LC_ALL=C
tr -cs 'A-Za-z' '\n' < "$HOLDFAST_DATA/text.txt" | tr 'A-Z' 'a-z' | sort | uniq -c | awk '$2 { print $1, $2 }' |
    head -n 100 > "$HOLDFAST_OUT/top.txt"
