# Shared by the docker and containerd files: the distribution's own units, containerd with the handler of
# examples/containerd.toml, told to use systemd's driver, and an image of the harness's root.
# shellcheck shell=bash disable=SC2016 # for eval

property() { # UNIT NAME
	systemctl show -P "$2" -- "$1"
}
no_unit() { # UNIT
	until_ok eval '[ "$(property '"'$1'"' LoadState)" = not-found ]'
	is "$(property "$1" LoadState)" not-found "unit $1"
}


containerd_make() {
	mkdir -p /etc/containerd
	[ -e /tmp/box.tar ] || box_image /tmp/box.tar
	! systemctl is-active -q containerd || return 0
	{
		echo 'version = 2'
		sed '/^version/d; s|BinaryName = .*|BinaryName = "/share/mrun"\n  SystemdCgroup = true|' /share/examples/containerd.toml
		printf '[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "localhost/box:1"\n'
	} >/etc/containerd/config.toml
	started containerd
}

started() { # UNIT
	systemctl start "$1" 2>/tmp/started || {
		cat /tmp/started
		journalctl -u "$1" 2>/dev/null | tail -n 20
		echo "# $1 does not start"
	}
}

# A docker-archive of busybox under the few names that are called.
box_image() { # FILE
	local dir=/tmp/box name id
	mkdir -p $dir/root/bin $dir/root/tmp $dir/root/etc
	cp /bin/busybox $dir/root/bin
	for name in sh sleep cat dd grep; do ln -s busybox $dir/root/bin/$name; done
	tar -C $dir/root -cf $dir/layer.tar .
	id=$(sha256sum <$dir/layer.tar)
	cat >$dir/config.json <<-END
		{"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sleep", "1000"], "Env": ["PATH=/bin"]},
		 "rootfs": {"type": "layers", "diff_ids": ["sha256:${id%% *}"]}}
	END
	echo '[{"Config": "config.json", "RepoTags": ["localhost/box:1"], "Layers": ["layer.tar"]}]' >$dir/manifest.json
	tar -C $dir -cf "$1" config.json manifest.json layer.tar
}
