# List the 100 most frequent words of the text with their counts.
set -e
export LC_ALL=C

cat "$HOLDFAST_DATA/text.txt" |
    tr 'A-Z' 'a-z' |
    tr -cs 'a-z' '\n' |
    grep -v '^$' |
    sort |
    uniq -c |
    sort -k1,1nr -k2 |
    head -n 100 |
    awk '{ print $1, $2 }' > "$HOLDFAST_OUT/top.txt"
