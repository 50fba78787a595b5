# What the cases start from, and what several of them do.

def base:
	.process.terminal = false
	| .process.args = ["/probe"];
def ns($type): .linux.namespaces += [{type: $type}];
def no_ns($type): .linux.namespaces |= map(select(.type != $type));
def userns($host; $size): ns("user")
	| .linux.uidMappings = [{containerID: 0, hostID: $host, size: $size}]
	| .linux.gidMappings = .linux.uidMappings;
def mount($destination; $type; $source; $options):
	.mounts += [{destination: $destination, type: $type, source: $source, options: $options}];
def writable: .root.readonly = false;
def hook($kind): .hooks[$kind] += [{path: $probe, args: ["hook name", $kind], env: ["PROBE_OUT=\($work)/hooks", "PROBE_STDIN=1"]}];
# As a user: with that one's subordinate ids.
def subids: .linux.uidMappings = [{containerID: 0, hostID: $uid, size: 1}, {containerID: 1, hostID: $low, size: 65535}]
	| .linux.gidMappings = [{containerID: 0, hostID: $gid, size: 1}, {containerID: 1, hostID: $low, size: 65535}];
