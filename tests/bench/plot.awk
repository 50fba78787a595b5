# rows.tsv -> SVG: a bar a row, how much of what is allowed was used, on a logarithmic scale: left of
# the line at 1 is reached. The tick is the same by minima.
BEGIN { FS = "\t"; n = 0 }
$3 != "" && $5 != "" && $5 + 0 > 0 {
	label[n] = $1 ($2 == "" ? "" : ": " $2)
	used[n] = $3 / $5
	least[n] = $4 == "" ? -1 : $4 / $5
	text[n] = sprintf("%.3g of %.3g %s", $3, $5, $6)
	n++
}
function escape(s) { gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); return s }
function x(v) {
	if (v < 0.1) v = 0.1
	if (v > 10) v = 10
	return left + width * (log(v) / log(10) + 1) / 2
}
END {
	left = 430; width = 460; step = 22; top = 50; height = top + n * step + 30
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1080\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n", height
	print "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
	print "<text x=\"12\" y=\"22\" font-size=\"15\">Measured as a part of what is allowed: left of the line is reached</text>"
	m = split("0.1 0.2 0.5 1 2 5 10", marks, " ")
	for (i = 1; i <= m; i++) {
		printf "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"%s\"/>\n", x(marks[i]), top - 6, x(marks[i]), \
			height - 22, marks[i] == 1 ? "black" : "#ddd"
		printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" fill=\"#555\">%s</text>\n", x(marks[i]), height - 8, marks[i]
	}
	for (i = 0; i < n; i++) {
		y = top + i * step
		printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", left - 8, y + 12, escape(label[i])
		printf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"15\" fill=\"%s\"/>\n", left, y, x(used[i]) - left + 1, \
			used[i] <= 1 ? "#4a9d5b" : "#c8553d"
		if (least[i] > 0)
			printf "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"black\" stroke-width=\"2\"/>\n", \
				x(least[i]), y - 1, x(least[i]), y + 16
		printf "<text x=\"%d\" y=\"%d\" fill=\"#333\">%s</text>\n", left + width + 14, y + 12, escape(text[i])
	}
	print "</svg>"
}
