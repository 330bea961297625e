# Debian roots for the PostgreSQL versions of other Debian releases.
# Expects ROOT, the checkout; needs root and debootstrap.

# root_make MAJOR: sets DEBIAN_ROOT.  AUTHZ_ROOTS, a folder, keeps roots
# between runs; otherwise it is temporary.
root_make() {
	local suite script=() dir
	case $1 in
		15) suite=bookworm ;;
		17) suite=trixie ;;
		18) suite=forky script=("" /usr/share/debootstrap/scripts/sid) ;;
		*) die "no Debian release with PostgreSQL $1 is known here" "Known are 15, 17 and 18." ;;
	esac
	[ "$(id -u)" -eq 0 ] || die "a Debian root needs root to make" "Run this as root."
	if ! command -v debootstrap >/dev/null; then
		step "Installing debootstrap"
		apt_install debootstrap || die "apt-get install failed"
	fi
	if [ -n "${AUTHZ_ROOTS:-}" ]; then
		mkdir -p "$AUTHZ_ROOTS"
		DEBIAN_ROOT=$AUTHZ_ROOTS/$suite
	else
		dir=$(mktemp -d /tmp/authz-root.XXXXXX)
		at_exit rm -rf --one-file-system "$dir"
		DEBIAN_ROOT=$dir/$suite
	fi
	if [ ! -e "$DEBIAN_ROOT/etc/debian_version" ]; then
		step "Making a Debian $suite root"
		quietly debootstrap --variant=minbase "$suite" "$DEBIAN_ROOT" "${script[@]}" \
			|| die "debootstrap failed"
	fi
	# Mirrors and snapshots of testing are often older than their expiry date;
	# their signatures are checked all the same.
	echo 'Acquire::Check-Valid-Until "false";' >"$DEBIAN_ROOT/etc/apt/apt.conf.d/90authz"
	# The last mounted is the first to go.
	root_mount -t proc proc "$DEBIAN_ROOT/proc"
	root_mount --bind /dev "$DEBIAN_ROOT/dev"
	root_mount -t tmpfs tmpfs "$DEBIAN_ROOT/dev/shm"
}

root_mount() {
	local target=${*: -1}
	mount "$@" || die "cannot mount $target"
	at_exit umount "$target"
}

# root_check MAJOR ARGUMENT...: scripts/check in the root, on a copy of the checkout.
root_check() {
	local major=$1
	shift
	rm -rf "$DEBIAN_ROOT/authz"
	mkdir -p "$DEBIAN_ROOT/authz"
	tar -C "$ROOT" --exclude=./.git --exclude=node_modules --exclude=build --exclude=target \
		--exclude='*.o' --exclude='*.so' -cf - . | tar -C "$DEBIAN_ROOT/authz" -xf - --no-same-owner
	chroot "$DEBIAN_ROOT" /usr/bin/env -i HOME=/root TERM="${TERM:-dumb}" \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		PG_MAJOR="$major" /authz/scripts/check --server "$@"
}
