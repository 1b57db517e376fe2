export LC_ALL=C
tr -cs 'A-Za-z' '\n' < "$HOLDFAST_DATA/text.txt" |
    awk '{ count[tolower($0)]++ } END { delete count[""]; for (word in count) print count[word], word }' |
    sort -k1,1nr -k2 | head -n 100 > "$HOLDFAST_OUT/top.txt"
