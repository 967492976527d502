#!/bin/sh
# Signs a version of the agent, so that agents which trust the key take it as an update.
#
#   dist/sign.sh new-key FILE        makes a key, and prints what MEDUSA_UPDATE_KEY has to be
#   dist/sign.sh public FILE         prints that again
#   dist/sign.sh VERSION FILE DIR    writes DIR/agent.json and DIR/agent.json.sig for every program
#                                    medusa-agent-VERSION-TARGET in DIR
#
# DIR is then put behind any web server, and its address into MEDUSA_UPDATE_FROM of the next build.
# The key belongs on a machine that builds nothing and serves nothing. OpenSSL 3 is needed.
set -eu
die() { printf 'sign: %s\n' "$*" >&2; exit 1; }

public() { openssl pkey -in "$1" -pubout -outform DER | tail -c 32 | od -An -v -tx1 | tr -d ' \n'; echo; }

case ${1:-} in
	new-key)
		[ ! -e "${2:?where to?}" ] || die "$2 is there already"
		(umask 077 && openssl genpkey -algorithm ed25519 -out "$2")
		public "$2"
		exit ;;
	public) public "${2:?which key?}"; exit ;;
esac
[ $# = 3 ] || die "see the head of this file"
version=$1 key=$2 dir=$3

programs=
for path in "$dir/medusa-agent-$version"-*; do
	name=$(basename "$path")
	case $name in *.tar.gz) continue ;; esac
	[ -f "$path" ] || die "no program of version $version in $dir"
	target=${name#"medusa-agent-$version-"}
	bytes=$(wc -c < "$path" | tr -d ' ')
	sha256=$(openssl dgst -sha256 -r "$path" | cut -d' ' -f1)
	programs="$programs${programs:+,
  }\"$target\": {\"path\": \"$name\", \"bytes\": $bytes, \"sha256\": \"$sha256\"}"
done
printf '{"what": "medusa-agent update 1", "version": "%s", "programs": {\n  %s\n}}\n' \
	"$version" "$programs" > "$dir/agent.json"
openssl pkeyutl -sign -rawin -inkey "$key" -in "$dir/agent.json" -out "$dir/agent.json.sig"
cat "$dir/agent.json"
