#!/usr/bin/env bash
# Drives the real binary with stock clients on real input. Every step says
# PASS or FAIL; the exit status is 1 if any failed.
set -uo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
work=$(mktemp -d "${TMPDIR:-/tmp}/caret-e2e-XXXXXX")
failed=0
server=

cleanup() {
  [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

step() { # NAME COMMAND...
  local name=$1 begin=$SECONDS
  shift
  if "$@" >"$work/step.log" 2>&1; then
    echo "PASS $name ($((SECONDS - begin)) s)"
  else
    echo "FAIL $name"
    tail -n 20 "$work/step.log" | sed 's/^/     /'
    failed=1
  fi
}

need() { # COMMAND PACKAGE
  command -v "$1" >/dev/null && return
  { apt-get install -y "$2" || { apt-get update && apt-get install -y "$2"; }; } >/dev/null 2>&1
  command -v "$1" >/dev/null || { echo "FAIL $1 is missing and cannot be installed"; exit 1; }
}
need aws awscli
need b3sum b3sum

start() {
  "$top/bin/caret" serve --data "$work/data" --listen 127.0.0.1:0 2>"$work/server.log" &
  server=$!
  until url=$(sed -n 's/.* at \(http:.*\)/\1/p' "$work/server.log") && [ -n "$url" ]; do
    kill -0 "$server" || { cat "$work/server.log"; exit 1; }
  done
  eval "$("$top/bin/caret" env --data "$work/data" --endpoint "$url")"
}
start
cd "$work"
export PATH="$top/bin:$PATH" AWS_PAGER= AWS_MAX_ATTEMPTS=1

# The Go toolchain's own source tree, some 10,000 files.
src=$(go env GOROOT)/src
upload_tree() { aws s3 mb s3://master.tree && aws s3 cp --only-show-errors --recursive --no-follow-symlinks "$1" s3://master.tree/src/; }
count() { find "$1" -type f | wc -l; }
same_tree() { diff -r "$1" "$2"; }
plain_tree() { rm -rf tree && cp -r "$src" tree && find tree -type l -delete; }
plain_tree
step "upload $(count tree) files of the Go tree with aws s3 cp" upload_tree tree
first=$(caret log tree -n 1 -o json | sed -n 's/.*"id": "\(.*\)".*/\1/p' | head -n 1)

# Two versions of a large module over each other.
module=golang.org/x/net
module_dir() { (cd "$top" && go mod download -json "$module@$1") | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'; }
old=$(module_dir v0.59.0) new=$(module_dir v0.60.0)
step "upload $module v0.59.0" aws s3 cp --only-show-errors --recursive "$old" s3://master.tree/net/
second=$(caret log tree -n 1 -o json | sed -n 's/.*"id": "\(.*\)".*/\1/p' | head -n 1)
step "upload v0.60.0 over it" aws s3 sync --only-show-errors --delete "$new" s3://master.tree/net/

read_bucket() { aws s3 cp --only-show-errors --recursive "s3://$1/$2" "$3" && same_tree "$4" "$3"; }
step "read the first state by its commit's bucket" read_bucket "$first.master.tree" src/ by-bucket tree
step "read the second state by its commit's bucket" read_bucket "$second.tree" net/ old-net "$old"
step "read the head" read_bucket master.tree net/ new-net "$new"
fetch() { caret get -r "tree@$1:$2" "$3" && same_tree "$4" "$3"; }
step "read the first state with caret get -r" fetch "$first" src/ by-get tree
step "read the second state with caret get -r" fetch "$second" net/ get-net "$old"
n=$(caret log tree -o json | grep -c '"id"')
by_version() { # every changed file of the module as it was, by an expression relative to HEAD
  local at f
  at=$(caret log tree -o json | grep '"id"' | grep -n "$second" | cut -d: -f1)
  diff -rq "$old" "$new" | sed -n "s|^Files $old/\(.*\) and .*|\1|p" | head -n 40 >changed
  [ -s changed ] || return 1
  while read -r f; do
    aws s3api get-object --bucket master.tree --key "net/$f" --version-id "HEAD^$((at - 1))" one >/dev/null && cmp one "$old/$f" || return 1
  done <changed
}
step "read changed files by a HEAD^N versionId ($n commits)" by_version

# 1 GiB.
head -c 1073741824 /dev/urandom >big
want="\"$(b3sum --no-names big)-1\""
etag() { aws s3api head-object --bucket "$1" --key "$2" --query ETag --output text; }
expect() { [ "$1" = "$2" ] || { echo "$1 is not $2"; return 1; }; }
step "upload 1 GiB in parts" aws s3 cp --only-show-errors big s3://master.tree/big
step "its ETag is that of b3sum" expect "$(etag master.tree big)" "$want"
step "store it in one piece" caret put tree@master:one big
step "the ETag is the same" expect "$(etag master.tree one)" "$want"
whole() { aws s3 cp --only-show-errors s3://master.tree/big back && cmp big back; }
step "read it back whole" whole
range() {
  aws s3api get-object --bucket master.tree --key big --range "bytes=$1-$2" part >/dev/null &&
    [ "$(stat -c %s part)" = $(($2 - $1 + 1)) ] && cmp -i "$1:0" -n $(($2 - $1 + 1)) big part
}
for r in "0 0" "1 1048576" "500000000 510000000" "1073741823 1073741823" "1073000000 1073741823"; do
  step "read bytes $r" range $r
done
rm -f big back part

# Everything is there after a restart.
kill "$server" && wait "$server"
start
step "read the first state after a restart" fetch "$first" src/ again tree

step "run the README's tour" env -C "$top" go test ./cmd/crashtest -run Tour -count=1 -v

exit $failed
