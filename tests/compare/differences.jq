# From the records of all runs to the lines that differ. Input: their lines; $host: the probe's report of
# the host, to tell its namespaces from new ones.

def record_name: input_filename | sub(".*/"; "");

# A report in comparable form: lists become objects with names, numbers that are the kernel's choice go.
def named(f): reduce .[] as $x ({}; . as $o
	| .[first(($x | f), (range(2; 99) as $n | "\($x | f) #\($n)") | select(in($o) | not))] = $x);
def comparable:
	if type != "object" then . else
		(if .namespaces then .namespaces |= with_entries(.key as $k
			| .value |= if . == $host[0].namespaces[$k] then "host" else "new" end) else . end)
		| (if .cgroup then .cgroup |= (split("\n") | map(split(":") | {key: "\(.[1])", value: .[2]}) | from_entries) else . end)
		| (if .environ then .order.environ = (.environ | map(split("=")[0]) | join(" ")) else . end)
		| (if .mounts then .order.mounts = (.mounts | map(.target | select(test("^/(proc|sys)/|^/dev/(null|zero|full|random|urandom|tty)$") | not)) | join(" "))
			| .mounts |= named(.target) else . end)
		| (if .descriptors then .descriptors[] |= sub("/dev/pts/[0-9]+"; "/dev/pts/N") else . end)
		| (if .stdin then .stdin |= (fromjson? // .) else . end)
	end;

# "LABEL KIND REST" lines to one object.
def record: reduce .[] as $line ({};
	($line | capture("^(?<a>[^ ]+) ?(?<rest>.*)$"; "s")) as $m
	| if $m.a == "left" then ($m.rest | capture("^(?<p>[^ ]*) (?<v>.*)$")) as $f | .left[$f.p] = $f.v
	elif $m.a == "state" then .state[$m.rest] = "there"
	elif $m.rest | startswith("exit ") then .[$m.a].exit = $m.rest[5:]
	elif $m.rest | startswith("out ") then .[$m.a].out += [($m.rest[4:] | fromjson? // .) | comparable
		# Of files only what the container's own program sees: hooks see the host's, exec the same again.
		| if $m.a != "run" and type == "object" then del(.mounts, .dev, .paths, .order.mounts) else . end]
	else .[$m.a].said += [$m.rest] end);

def leaves: [paths(scalars, (arrays, objects | select(length == 0))) as $p | {key: ($p | map(tostring) | join(".")), value: getpath($p)}]
	| from_entries;
def flat: walk(if type == "array" and all(.[]; type != "object" and type != "array") then tojson else . end) | leaves;

[inputs | {file: record_name, line: .}]
| group_by(.file) | map({key: .[0].file, value: (map(.line) | record | flat)})
| map((.key | capture("^(?<case>.*)\\.(?<runtime>[a-z]+)$")) + {value: .value})
| group_by(.case)[]
| (map(select(.runtime == "mrun"))[0]) as $ours
| .[] | select(.runtime != "mrun") | . as $theirs
# A report, mount or path that only one of them has is one difference.
| def wholes: [.value | keys_unsorted[] | select(test("\\.(argv|target|is)$")) | sub("\\.[^.]*$"; "")] | unique;
  def without($list): .value | with_entries(select(.key as $k | any($list[]; . as $p | $k | startswith($p + ".")) | not));
  (($ours | wholes) - ($theirs | wholes)) as $only_ours
| (($theirs | wholes) - ($ours | wholes)) as $only_theirs
| (($ours | without($only_ours)) + ($only_ours | map({key: ., value: "there"}) | from_entries)) as $a
| (($theirs | without($only_theirs)) + ($only_theirs | map({key: ., value: "there"}) | from_entries)) as $b
| ($a + $b | keys_unsorted[]) as $k
| select($a[$k] != $b[$k])
# What belongs to a report that is not there was said with it.
| select(any($only_ours[], $only_theirs[]; . as $p | $k | startswith($p + ".")) | not)
| "\($theirs.case) | \($theirs.runtime) | \($k): \($a[$k] | tojson), \($b[$k] | tojson)"
