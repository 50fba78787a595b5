# What go-md2man writes, made into what man(1) and mandoc(1) have nothing to say about:
#  - \fC is no font that every formatter has: code stays bold
#  - no paragraph macro right behind a heading
#  - a hyphen that is to be typed is a minus sign (\-), in bold text and in examples
{ gsub(/\\fB\\fC/, "\\fB"); gsub(/\\fR/, "\\fP") }
/^\.nf/ { example = 1 }
/^\.fi/ { example = 0 }
/^\.S[HS] / { print; heading = 1; next }
heading && /^(\.PP)?$/ { next }
{ heading = 0 }
example && !/^\./ { gsub(/\\?-/, "\\-") }
!example && !/^\./ {
	text = ""
	while (match($0, /\\fB[^\\]*(\\[^f][^\\]*)*\\fP/)) {
		bold = substr($0, RSTART, RLENGTH)
		gsub(/\\?-/, "\\-", bold)
		text = text substr($0, 1, RSTART - 1) bold
		$0 = substr($0, RSTART + RLENGTH)
	}
	$0 = text $0
}
{ print }
