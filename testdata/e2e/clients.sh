#!/usr/bin/env bash
# Drives the real binary with stock clients, a round each, with the settings
# they come with, an endpoint and keys. Every step says PASS or FAIL; the exit
# status is 1 if any failed. A client that cannot be had is a SKIP.
#
#     [SERVE_FLAGS=FLAGS] testdata/e2e/clients.sh [ROUND...]
#
# FLAGS are more flags of `caret serve`, such as --etag=md5.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
top=$PWD
work=$(mktemp -d "${TMPDIR:-/tmp}/caret-clients-XXXXXX")
failed=0
server=
mounts=()

cleanup() {
  local m
  [ $BASHPID = $$ ] || return # a subshell that ended early
  for m in ${mounts+"${mounts[@]}"}; do mountpoint -q "$m" && umount -l "$m"; done
  [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
  cd / && rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() { # NAME COMMAND...
  local name="$round: $1" begin=$SECONDS
  shift
  if "$@" >"$work/step.log" 2>&1; then
    echo "PASS $name ($((SECONDS - begin)) s)"
  else
    echo "FAIL $name"
    tail -n 20 "$work/step.log" | sed 's/^/     /'
    failed=1
  fi
}

have() { # COMMAND PACKAGE
  command -v "$1" >/dev/null && return
  { apt-get install -y "$2" || { apt-get update && apt-get install -y "$2"; }; } >/dev/null 2>&1
  command -v "$1" >/dev/null || { echo "SKIP $round: $1 cannot be installed"; return 1; }
}

expect() { [ "$1" = "$2" ] || { echo "got  $1"; echo "want $2"; return 1; }; }
fails() { if "$@"; then echo "succeeded: $*"; return 1; fi; }
# get URL FILE: what anybody gets, who has the URL and no keys.
get() { curl -sS --fail-with-body "$1" -o got && cmp got "$2" || { tail -c 600 got; return 1; }; }
status() { # CODE CURL-ARGUMENT...
  local want=$1 got
  shift
  got=$(curl -sS -o body -w '%{http_code}' "$@") && [ "$got" = "$want" ] || { echo "status $got, want $want"; tail -c 600 body; return 1; }
}
head_commit() { caret log "$1" -n 1 -o json | sed -n 's/.*"id": "\(.*\)".*/\1/p' | head -n 1; }

# --- data that all rounds share

data() {
  local i
  echo "june,100" >v1
  echo "june,120" >v2
  touch -d "-1 hour" v1 # or rclone may take them for the same file
  head -c 20971520 /dev/urandom >big # parts for s3cmd, boto3 and the CLI
  mkdir -p tree/deep/er "tree/with blank"
  : >tree/empty
  echo plus >"tree/a+b&c=d %41 ü.txt"
  for i in $(seq 200); do head -c $((i * 97)) /dev/urandom >"tree/$( ((i % 2)) && echo deep/er || echo "with blank")/$i"; done
  head -c 9437184 /dev/urandom >tree/deep/nine
}

# --- aws

aws_files() {
  aws s3 cp v1 s3://master.aws/f && aws s3 cp v2 s3://master.aws/f && aws s3 cp s3://master.aws/f - | cmp - v2 &&
    aws s3 cp s3://master.aws/f s3://master.aws/g && aws s3 mv s3://master.aws/g s3://master.aws/h &&
    fails aws s3 ls s3://master.aws/g && cp v1 moving && aws s3 mv moving s3://master.aws/m && [ ! -e moving ] &&
    aws s3 mv s3://master.aws/m moved && cmp moved v1 && aws s3 rm s3://master.aws/h && fails aws s3 ls s3://master.aws/h
}
aws_sync() {
  rm -rf up down && cp -r tree up
  aws s3 sync up s3://master.aws/tree/ && aws s3 sync s3://master.aws/tree/ down && diff -r up down || return 1
  rm up/deep/nine && echo new >up/new && aws s3 sync --delete up s3://master.aws/tree/ >synced && expect "$(grep -c load: synced)$(grep -c delete: synced)" 11 || return 1
  aws s3 sync --delete s3://master.aws/tree/ down && diff -r up down && expect "$(aws s3 sync up s3://master.aws/tree/)" ""
}
aws_stream() { # of unknown length, and one listing of all
  aws s3 cp - s3://master.aws/stream <big && aws s3 cp s3://master.aws/stream - | cmp - big && aws s3 ls --recursive --summarize s3://master.aws/ | grep 'Total Objects' &&
    expect "$(aws s3api list-multipart-uploads --bucket master.aws --query 'length(Uploads || `[]`)')" 0
}
aws_cors() {
  aws s3api put-bucket-cors --bucket master.aws --cors-configuration '{"CORSRules":[{"AllowedOrigins":["http://a.test"],"AllowedMethods":["GET"],"AllowedHeaders":["*"]}]}' &&
    aws s3api get-bucket-cors --bucket master.aws | grep a.test &&
    status 200 -X OPTIONS -H 'Origin: http://a.test' -H 'Access-Control-Request-Method: GET' "$AWS_ENDPOINT_URL/master.aws/f" &&
    status 403 -X OPTIONS -H 'Origin: http://b.test' -H 'Access-Control-Request-Method: GET' "$AWS_ENDPOINT_URL/master.aws/f" && aws s3api delete-bucket-cors --bucket master.aws
}
aws_presign() { # SIGN IN-URL
  local url
  printf '[default]\ns3 =\n%s\n' "${1:+    signature_version = $1}" >presign.conf
  [ -n "$1" ] || : >presign.conf
  url=$(AWS_CONFIG_FILE=$work/presign.conf aws s3 presign --expires-in 60 s3://master.aws/f) || return 1
  case $url in *"$2"*) ;; *) echo "$url has no $2"; return 1 ;; esac
  get "$url" v2 && status 403 "${url/master.aws/master.aws2}" && status 403 -X PUT "$url"
}
aws_undelete() {
  local marker
  aws s3 rm s3://master.aws/f && fails aws s3 cp s3://master.aws/f - || return 1
  expect "$(aws s3api list-object-versions --bucket master.aws --prefix f --query 'length(Versions)')" 2 || return 1
  marker=$(aws s3api list-object-versions --bucket master.aws --prefix f --query 'DeleteMarkers[?IsLatest].VersionId' --output text)
  aws s3api delete-object --bucket master.aws --key f --version-id "$marker" && aws s3 cp s3://master.aws/f - | cmp - v2
}
aws_tags() {
  aws s3api put-object-tagging --bucket master.aws --key f --tagging 'TagSet=[{Key=a,Value=1},{Key=b c,Value="é+/"}]' &&
    expect "$(aws s3api get-object-tagging --bucket master.aws --key f --query 'TagSet[].[Key,Value]' --output text | tr '\t\n' '=;')" "a=1;b c=é+/;" &&
    aws s3 cp s3://master.aws/f s3://master.aws/tagged &&
    expect "$(aws s3api get-object-tagging --bucket master.aws --key tagged --query 'length(TagSet)')" 2 &&
    aws s3api delete-object-tagging --bucket master.aws --key f &&
    expect "$(aws s3api get-object-tagging --bucket master.aws --key f --query 'length(TagSet)')" 0
}
aws_acl() {
  local url=$AWS_ENDPOINT_URL/master.aws/f
  status 403 "$url" && aws s3api put-object-acl --bucket master.aws --key f --acl public-read && get "$url" v2 && status 403 -T v1 "$url" &&
    aws s3api get-object-acl --bucket master.aws --key f | grep AllUsers &&
    aws s3api put-object-acl --bucket master.aws --key f --acl private && status 403 "$url" &&
    aws s3 cp --acl public-read v1 s3://master.aws/public && get "$AWS_ENDPOINT_URL/master.aws/public" v1
}
aws_attributes() {
  aws s3 cp big s3://master.aws/big &&
    expect "$(aws s3api get-object-attributes --bucket master.aws --key big --object-attributes ETag ObjectSize ObjectParts StorageClass Checksum \
      --query '[ObjectSize,StorageClass,ObjectParts.TotalPartsCount,length(keys(Checksum))]' --output text)" "20971520	STANDARD	3	2"
}
aws_part_copy() {
  aws s3 cp s3://master.aws/big s3://master.aws/copy && aws s3 cp s3://master.aws/copy - | cmp - big &&
    expect "$(aws s3api get-object-attributes --bucket master.aws --key copy --object-attributes ObjectParts --query ObjectParts.TotalPartsCount)" 3 &&
    aws s3 mv s3://master.aws/copy s3://master.aws/copy2 && aws s3 cp s3://master.aws/copy2 - | cmp - big
}
aws_history() {
  local commit
  aws s3 cp v1 s3://master.aws/past && commit=$(head_commit aws) && aws s3 cp v2 s3://master.aws/past &&
    aws s3 cp s3://HEAD-1.master.aws/past - | cmp - v1 && aws s3 cp "s3://$commit.master.aws/past" - | cmp - v1 &&
    aws s3api get-object --bucket master.aws --key past --version-id 'HEAD^' old && cmp old v1 &&
    aws s3api copy-object --bucket master.aws --key back --copy-source 'master.aws/past?versionId=HEAD%5E' && aws s3 cp s3://master.aws/back - | cmp - v1 &&
    fails aws s3 cp v1 s3://HEAD-1.master.aws/past
}
aws_rb() { aws s3 mb s3://master.rb && aws s3 cp v1 s3://master.rb/x && aws s3 rb --force s3://master.rb && fails aws s3 ls s3://master.rb; }
round_aws() {
  have aws awscli || return
  step "mb" aws s3 mb s3://master.aws
  step "cp, mv, rm" aws_files
  step "sync, both ways, with deletions" aws_sync
  step "cp of a stream, ls --summarize" aws_stream
  step "put-bucket-cors, a preflight" aws_cors
  step "presign" aws_presign "" Signature=
  step "presign with signature_version s3v4" aws_presign s3v4 X-Amz-Signature=
  step "list-object-versions, delete the delete marker" aws_undelete
  step "put, get and delete-object-tagging" aws_tags
  step "put-object-acl public-read, read without keys" aws_acl
  step "get-object-attributes" aws_attributes
  step "copy 20 MiB by parts" aws_part_copy
  step "a historical state, by bucket, commit and versionId" aws_history
  step "rb --force" aws_rb
}

# --- boto3

round_boto3() {
  local python=python3 t
  if ! $python -c 'import boto3' 2>/dev/null; then
    python=/usr/bin/python3
    $python -c 'import boto3' 2>/dev/null || apt-get install -y python3-boto3 >/dev/null 2>&1
    $python -c 'import boto3' 2>/dev/null || { echo "SKIP $round: boto3 cannot be installed"; return; }
  fi
  cat >boto.py <<'PY'
import base64, hashlib, io, subprocess, sys, urllib.error, urllib.request
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client("s3")
b = "master.boto3"
v1, v2, big = (open(f, "rb").read() for f in ("v1", "v2", "big"))

def code(f, **kw):
    try:
        f(**kw)
    except ClientError as e:
        return e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Code"]
    return 200, ""

def read(key, bucket=b, **kw):
    return s3.get_object(Bucket=bucket, Key=key, **kw)["Body"].read()

def meta(h):
    return {k.lower(): v for k, v in h["Metadata"].items()} # case has a step of its own

def eq(got, want):
    assert got == want, f"got {got!r}\nwant {want!r}"

def upload():
    s3.upload_fileobj(io.BytesIO(big), b, "big", ExtraArgs={"Metadata": {"who": "me"}, "ContentType": "text/x"})
    out = io.BytesIO()
    s3.download_fileobj(b, "big", out)
    assert out.getvalue() == big
    h = s3.head_object(Bucket=b, Key="big", PartNumber=1)
    eq((h["PartsCount"], h["ContentLength"], meta(h), h["ContentType"]), (3, 8 << 20, {"who": "me"}, "text/x"))
    s3.copy({"Bucket": b, "Key": "big"}, b, "big copy+ü")
    assert read("big copy+ü") == big
    eq(read("big", Range="bytes=-5"), big[-5:])

def presigned(config, mark):
    c = boto3.client("s3", config=config)
    s3.put_object(Bucket=b, Key="p q+ü/f", Body=v1)
    url = c.generate_presigned_url("get_object", Params={"Bucket": b, "Key": "p q+ü/f", "ResponseContentType": "text/y"})
    assert mark in url, url
    with urllib.request.urlopen(url) as r:
        eq((r.read(), r.headers["Content-Type"]), (v1, "text/y"))
    try:
        urllib.request.urlopen(url.replace("text%2Fy", "text%2Fz"))
        raise AssertionError("a changed URL is taken")
    except urllib.error.HTTPError as e:
        eq(e.code, 403)
    url = c.generate_presigned_url("put_object", Params={"Bucket": b, "Key": "put", "ContentType": "text/x", "Metadata": {"a": "b"}})
    req = urllib.request.Request(url, v2, {"Content-Type": "text/x", "x-amz-meta-a": "b"}, method="PUT")
    urllib.request.urlopen(req).close()
    h = s3.get_object(Bucket=b, Key="put")
    eq((h["Body"].read(), h["ContentType"], meta(h)), (v2, "text/x", {"a": "b"}))
    url = c.generate_presigned_url("delete_object", Params={"Bucket": b, "Key": "put"})
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).close()
    eq(code(s3.get_object, Bucket=b, Key="put"), (404, "NoSuchKey"))

def presigned_default():
    presigned(None, "ignature=")

def presigned_v2():
    presigned(Config(signature_version="s3"), "AWSAccessKeyId=")

def presigned_v4():
    presigned(Config(signature_version="s3v4"), "X-Amz-Signature=")

def post(config):
    c = boto3.client("s3", config=config)
    form = c.generate_presigned_post(b, "form/${filename}", Fields={"x-amz-meta-a": "b c", "success_action_status": "201"},
        Conditions=[{"x-amz-meta-a": "b c"}, {"success_action_status": "201"}, ["content-length-range", 1, 20], ["starts-with", "$Content-Type", "text/"]])
    def send(name, ctype="text/x", fields=form["fields"]):
        args = ["curl", "-sS", "-o", "body", "-w", "%{http_code}", form["url"]]
        for k, v in {**fields, "Content-Type": ctype}.items():
            args += ["-F", f"{k}={v}"]
        got = subprocess.check_output(args + ["-F", f"file=@{name}"]).decode()
        return got, open("body").read()
    got, body = send("v1")
    assert got == "201" and "<Key>form/v1</Key>" in body, (got, body)
    h = s3.get_object(Bucket=b, Key="form/v1")
    eq((h["Body"].read(), meta(h), h["ContentType"]), (v1, {"a": "b c"}, "text/x"))
    for want, args in (("400", ["big"]), ("403", ["v1", "image/png"]), ("403", ["v1", "text/x", {**form["fields"], "key": "other"}])):
        got, body = send(*args)
        assert got == want, (want, got, body)

def post_default():
    post(None)

def post_v4():
    post(Config(signature_version="s3v4"))

def metadata():
    """Names in lower case, as AWS sends them: programs look them up so."""
    s3.put_object(Bucket=b, Key="meta", Body=v1, Metadata={"Who": "me", "other-Name": "x y"}, ContentDisposition="attachment", CacheControl="no-cache",
        ContentLanguage="de", ContentEncoding="x", Expires="Wed, 21 Oct 2037 07:28:00 GMT")
    h = s3.head_object(Bucket=b, Key="meta")
    eq([h.get(k) for k in ("ContentDisposition", "CacheControl", "ContentLanguage", "ContentEncoding", "ExpiresString")],
        ["attachment", "no-cache", "de", "x", "Wed, 21 Oct 2037 07:28:00 GMT"])
    eq(h["Metadata"], {"who": "me", "other-name": "x y"})

def conditions():
    s3.put_object(Bucket=b, Key="c", Body=v1, IfNoneMatch="*")
    eq(code(s3.put_object, Bucket=b, Key="c", Body=v2, IfNoneMatch="*"), (412, "PreconditionFailed"))
    tag = s3.head_object(Bucket=b, Key="c")["ETag"]
    s3.put_object(Bucket=b, Key="c", Body=v2, IfMatch=tag)
    eq(code(s3.put_object, Bucket=b, Key="c", Body=v1, IfMatch=tag), (412, "PreconditionFailed"))
    eq(code(s3.put_object, Bucket=b, Key="none", Body=v1, IfMatch=tag), (404, "NoSuchKey"))
    eq(code(s3.delete_object, Bucket=b, Key="c", IfMatch=tag), (412, "PreconditionFailed"))
    eq(code(s3.get_object, Bucket=b, Key="c", IfNoneMatch=s3.head_object(Bucket=b, Key="c")["ETag"])[0], 304)
    u = s3.create_multipart_upload(Bucket=b, Key="c")["UploadId"]
    p = s3.upload_part(Bucket=b, Key="c", UploadId=u, PartNumber=1, Body=v1)
    done = {"Bucket": b, "Key": "c", "UploadId": u, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": p["ETag"]}]}}
    eq(code(s3.complete_multipart_upload, IfNoneMatch="*", **done), (412, "PreconditionFailed"))
    s3.abort_multipart_upload(Bucket=b, Key="c", UploadId=u)
    eq(read("c"), v2)

def paging():
    keys = [f"l/{d}/{i}" for d in ("a b", "c+d", "é&<") for i in range(3)] + [f"l/{i:02}" for i in range(7)]
    for k in keys:
        s3.put_object(Bucket=b, Key=k, Body=b"")
    for op in ("list_objects_v2", "list_objects", "list_object_versions"):
        for size in (1, 3, 1000):
            got, prefixes = [], []
            for page in s3.get_paginator(op).paginate(Bucket=b, Prefix="l/", Delimiter="/", PaginationConfig={"PageSize": size}):
                got += [o["Key"] for o in page.get("Contents", page.get("Versions", []))]
                prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
            eq((sorted(got), sorted(prefixes)), (sorted(keys[9:]), ["l/a b/", "l/c+d/", "l/é&</"]))
    got = [o["Key"] for p in s3.get_paginator("list_objects_v2").paginate(Bucket=b, Prefix="l/", PaginationConfig={"PageSize": 4}) for o in p["Contents"]]
    eq(got, sorted(keys, key=str.encode))
    got = s3.delete_objects(Bucket=b, Delete={"Objects": [{"Key": k} for k in keys]})
    eq((len(got["Deleted"]), "Errors" in got, "Contents" in s3.list_objects_v2(Bucket=b, Prefix="l/")), (len(keys), False, False))

def checksum(name):
    """One algorithm in one piece, in parts, and announced wrongly. What S3.md
    does not name may be refused."""
    known = name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
    if not known and code(s3.put_object, Bucket=b, Key="sum", Body=v1, ChecksumAlgorithm=name) == (400, "InvalidRequest"):
        return
    s3.put_object(Bucket=b, Key="sum", Body=v1, ChecksumAlgorithm=name)
    got = s3.get_object(Bucket=b, Key="sum", ChecksumMode="ENABLED")
    eq(got["Body"].read(), v1)
    assert got.get("Checksum" + name), got
    s3.upload_fileobj(io.BytesIO(big), b, "sums", ExtraArgs={"ChecksumAlgorithm": name})
    got = s3.get_object(Bucket=b, Key="sums", ChecksumMode="ENABLED")
    assert got["Body"].read() == big and got.get("Checksum" + name), got
    s3.copy_object(Bucket=b, Key="sum copy", CopySource=b + "/sum")
    eq(s3.head_object(Bucket=b, Key="sum copy", ChecksumMode="ENABLED")["Checksum" + name], s3.head_object(Bucket=b, Key="sum", ChecksumMode="ENABLED")["Checksum" + name])
    wrong = s3.head_object(Bucket=b, Key="sum", ChecksumMode="ENABLED")["Checksum" + name]
    once = boto3.client("s3", config=Config(retries={"max_attempts": 0})) # boto3 tries again after BadDigest
    eq(code(once.put_object, Bucket=b, Key="sum", Body=v2, **{"Checksum" + name: wrong}), (400, "BadDigest"))

def attributes():
    """What AWS answers of an upload with a composite checksum: the digest
    without the number of parts, and those of the parts."""
    s3.upload_fileobj(io.BytesIO(big), b, "sums", ExtraArgs={"ChecksumAlgorithm": "SHA256"})
    want = s3.head_object(Bucket=b, Key="sums", ChecksumMode="ENABLED")
    got = s3.get_object_attributes(Bucket=b, Key="sums", ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize"], MaxParts=2)
    parts = got["ObjectParts"]
    eq((got["ETag"], got["ObjectSize"], parts["TotalPartsCount"], parts["IsTruncated"], len(parts["Parts"])), (want["ETag"].strip('"'), len(big), 3, True, 2))
    eq(got["Checksum"], {"ChecksumSHA256": want["ChecksumSHA256"].split("-")[0], "ChecksumType": "COMPOSITE"})
    eq(parts["Parts"][0].get("ChecksumSHA256"), base64.b64encode(hashlib.sha256(big[:8 << 20]).digest()).decode())

def resource():
    """The resource interface, and how people empty a bucket with versions."""
    bucket = boto3.resource("s3").Bucket("master.boto3r")
    bucket.create()
    bucket.Versioning().enable()
    eq(bucket.Versioning().status, "Enabled")
    bucket.Tagging().put(Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    eq(bucket.Tagging().tag_set, [{"Key": "a", "Value": "b"}])
    for i in range(3):
        bucket.put_object(Key="x", Body=str(i), Tagging="a=b&c=d")
        bucket.upload_file("v1", f"d/{i}", ExtraArgs={"ACL": "bucket-owner-full-control"})
    bucket.Object("d/1").delete()
    eq([o.key for o in bucket.objects.all()], ["d/0", "d/2", "x"])
    eq([(v.key, v.is_latest) for v in bucket.object_versions.filter(Prefix="x")], [("x", True), ("x", False), ("x", False)])
    eq(bucket.objects.filter(Prefix="d/").delete()[0]["ResponseMetadata"]["HTTPStatusCode"], 200)
    bucket.Object("x").wait_until_exists()
    bucket.object_versions.delete()
    eq(list(bucket.object_versions.all()), [])
    bucket.delete()
    bucket.wait_until_not_exists()

def history():
    s3.put_object(Bucket=b, Key="past", Body=v1)
    s3.put_object(Bucket=b, Key="past", Body=v2)
    eq((read("past"), read("past", "HEAD-1." + b), read("past", VersionId="HEAD^")), (v2, v1, v1))
    eq(s3.list_objects_v2(Bucket="HEAD-1." + b, Prefix="past")["KeyCount"], 1)

def algorithms():
    from botocore import httpchecksum
    print(*[a.upper() for a in httpchecksum._CHECKSUM_CLS])

globals()[sys.argv[1]](*sys.argv[2:])
PY
  step "create_bucket" $python -c 'import boto3; boto3.client("s3").create_bucket(Bucket="master.boto3")'
  for t in upload presigned_default presigned_v2 presigned_v4 post_default post_v4 metadata conditions paging; do
    step "${t/_/ }" $python boto.py $t
  done
  for t in $($python boto.py algorithms); do
    [ "$t" = SHA512 ] && step "checksum SHA512, or a refusal" $python boto.py checksum SHA512 && continue
    step "checksum $t" $python boto.py checksum "$t"
  done
  step "get_object_attributes of a composite checksum" $python boto.py attributes
  step "resources, object_versions.delete" $python boto.py resource
  step "a historical state, by bucket and versionId" $python boto.py history
}

# --- s3cmd

s3() { s3cmd -c s3cfg "$@"; }
s3cmd_files() {
  s3 put v1 "s3://$b/f" && s3 put v2 "s3://$b/f" && s3 get --force "s3://$b/f" got && cmp got v2 &&
    s3 put "tree/a+b&c=d %41 ü.txt" "s3://$b/odd/" && s3 get --force "s3://$b/odd/a+b&c=d %41 ü.txt" got && cmp got tree/a+b* &&
    s3 put big "s3://$b/big" && s3 get --force "s3://$b/big" got && cmp got big && s3 cp "s3://$b/big" "s3://$b/copy" &&
    s3 mv "s3://$b/copy" "s3://$b/moved" && s3 get --force "s3://$b/moved" got && cmp got big
}
s3cmd_ls() {
  expect "$(s3 ls "s3://$b/" | awk '{print $NF}' | sort | tr '\n' ' ')" "s3://$b/big s3://$b/f s3://$b/moved s3://$b/odd/ " &&
    s3 ls | grep "s3://$b\$" && s3 ls -r "s3://$b" | grep -F 'odd/a+b&c=d %41 ü.txt' && s3 du "s3://$b"
}
s3cmd_sync() {
  rm -rf up down && cp -r tree up
  s3 sync up/ "s3://$b/tree/" && mkdir down && s3 sync "s3://$b/tree/" down/ && diff -r up down || return 1
  rm up/deep/nine && echo new >up/new && s3 sync --delete-removed up/ "s3://$b/tree/" && s3 sync --delete-removed "s3://$b/tree/" down/ && diff -r up down
}
s3cmd_info() { s3 info "s3://$b" && s3 info "s3://$b/f" | grep 'File size: 9'; }
s3cmd_acl() {
  local url=$AWS_ENDPOINT_URL/$b/f
  status 403 "$url" && s3 setacl --acl-public "s3://$b/f" && get "$url" v2 && s3 setacl --acl-private "s3://$b/f" && status 403 "$url" &&
    s3 put --acl-public v1 "s3://$b/public" && get "$AWS_ENDPOINT_URL/$b/public" v1
}
s3cmd_signurl() { get "$(s3 signurl "s3://$b/f" +60)" v2; }
s3cmd_modify() { s3 modify --add-header 'Cache-Control: no-cache' --mime-type text/x "s3://$b/f" && s3 info "s3://$b/f" | grep 'MIME type: *text/x' && s3 get --force "s3://$b/f" got && cmp got v2; }
s3cmd_history() { s3 put v1 "s3://$b/past" && s3 put v2 "s3://$b/past" && s3 get --force "s3://HEAD-1.$b/past" got && cmp got v1 && s3 ls "s3://HEAD-1.$b/"; }
s3cmd_del() { s3 del "s3://$b/f" && fails s3 info "s3://$b/f" && s3 del -r --force "s3://$b/" && expect "$(s3 ls "s3://$b")" "" && s3 rb "s3://$b" && fails s3 ls "s3://$b"; }
round_s3cmd() {
  local v b host=${AWS_ENDPOINT_URL#http://}
  have s3cmd s3cmd || return
  for v in V4 V2; do
    b=master.s3cmd-${v,,}
    s3cmd -c none --access_key="$AWS_ACCESS_KEY_ID" --secret_key="$AWS_SECRET_ACCESS_KEY" --host="$host" --host-bucket="$host" --no-ssl --dump-config >s3cfg
    [ $v = V2 ] && sed -i 's/^signature_v2 = .*/signature_v2 = True/' s3cfg
    step "$v mb" s3 mb "s3://$b"
    step "$v put, get, cp, mv, small and in parts" s3cmd_files
    step "$v ls, du" s3cmd_ls
    step "$v sync, both ways, with deletions" s3cmd_sync
    step "$v info" s3cmd_info
    step "$v setacl, read without keys" s3cmd_acl
    step "$v signurl" s3cmd_signurl
    step "$v modify" s3cmd_modify
    step "$v a historical state, by bucket" s3cmd_history
    step "$v del, rb" s3cmd_del
  done
}

# --- rclone

rc() { rclone --config "$work/rclone.conf" "$@"; }
rclone_copy() { rc copy tree r:master.rclone/tree && rc check --download tree r:master.rclone/tree && rc check tree r:master.rclone/tree; }
rclone_big() { head -c 220000000 /dev/urandom >huge && rc copyto huge r:master.rclone/huge && rc cat r:master.rclone/huge | cmp - huge && rc md5sum r:master.rclone/huge | grep "$(md5sum <huge | cut -d' ' -f1)"; }
rclone_sync() {
  rm -rf up down && cp -r tree up && rm up/deep/nine && echo new >up/new && rc sync up r:master.rclone/tree && rc check --download up r:master.rclone/tree &&
    rc sync r:master.rclone/tree down && diff -r up down
}
rclone_files() {
  rc copyto v1 r:master.rclone/f && expect "$(rc lsl r:master.rclone/f | awk '{print $1, $4}')" "9 f" && rc cat r:master.rclone/f | cmp - v1 &&
    rc moveto r:master.rclone/f r:master.rclone/g && expect "$(rc lsf r:master.rclone/f)" "" && rc cat r:master.rclone/g | cmp - v1 && rc rcat r:master.rclone/s <v2 &&
    rc cat r:master.rclone/s | cmp - v2 && rc link --expire 60s r:master.rclone/s >"url" && get "$(cat "url")" v2
}
rclone_touch() { # metadata is changed by a copy onto itself
  rc touch --timestamp 2020-01-02T03:04:05 r:master.rclone/s && rc lsl r:master.rclone/s | grep '2020-01-02 03:04:05' && rc cat r:master.rclone/s | cmp - v2 &&
    rc size r:master.rclone && rc cleanup r:master.rclone && rc mkdir r:master.rclone/dir && rc lsd r:master.rclone | grep tree
}
rclone_versions() {
  local old
  rc copyto v1 r:master.rclone/v.txt && sleep 1.5 && at=$(date -u +%FT%TZ) && sleep 1.5 && rc copyto v2 r:master.rclone/v.txt || return 1
  rc --s3-versions ls r:master.rclone --include 'v*' && old=$(rc --s3-versions lsf --files-only r:master.rclone --include 'v-v*') && rc --s3-versions copyto "r:master.rclone/$old" old && cmp old v1
}
rclone_at() { rc --s3-version-at "$at" cat r:master.rclone/v.txt | cmp - v1 && rc --s3-version-at "$at" lsf r:master.rclone | grep '^v.txt$'; }
rclone_history() { rc cat r:HEAD-1.master.rclone/v.txt | cmp - v1 && rc lsf r:HEAD-1.master.rclone | grep '^v.txt$'; }
rclone_versioning() { expect "$(rc backend versioning r:master.rclone)" Enabled && rc backend versioning r:master.rclone Enabled; }
rclone_purge() { rc purge r:master.rclone/tree && expect "$(rc lsf r:master.rclone/tree)" "" && rc purge r:master.rclone && fails rc lsf r:master.rclone; }
round_rclone() {
  have rclone rclone || return
  printf '[r]\ntype = s3\nprovider = Other\naccess_key_id = %s\nsecret_access_key = %s\nendpoint = %s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL" >rclone.conf
  step "mkdir" rc mkdir r:master.rclone
  local at=
  step "copy, check --download" rclone_copy
  step "sync, both ways, with deletions" rclone_sync
  step "copy 220 MB in parts" rclone_big
  rm -f huge
  step "lsl, cat, moveto, rcat, link" rclone_files
  step "touch, size, cleanup, lsd" rclone_touch
  step "--s3-versions ls, copyto" rclone_versions
  step "--s3-version-at" rclone_at
  step "a historical state, by bucket" rclone_history
  step "backend versioning" rclone_versioning
  step "purge" rclone_purge
}

# --- restic

restic_() { RESTIC_PASSWORD=x restic --cache-dir "$work/restic-cache" -r "s3:$AWS_ENDPOINT_URL/master.restic" "$@"; }
restic_backup() {
  rm -rf up && cp -r tree up && restic_ backup up && restic_first=$(head_commit restic) && rm up/deep/nine && echo new >up/new && restic_ backup up &&
    expect "$(restic_ snapshots --json | grep -o '"short_id"' | wc -l)" 2
}
restic_restore() { rm -rf down && restic_ restore latest --target down && diff -r up down/up; }
restic_forget() { restic_ forget --keep-last 1 --prune && restic_ check --read-data && expect "$(restic_ snapshots --json | grep -o '"short_id"' | wc -l)" 1 && restic_restore; }
restic_history() {
  rm -rf down && restic_ -r "s3:$AWS_ENDPOINT_URL/$restic_first.master.restic" --no-lock restore latest --target down && diff -r tree down/up
}
round_restic() {
  local restic_first=
  have restic restic || return
  step "init" restic_ init
  step "backup twice, snapshots" restic_backup
  step "check --read-data" restic_ check --read-data
  step "restore" restic_restore
  step "forget --prune" restic_forget
  step "a historical state, by commit: the snapshot that was pruned" restic_history
}

# --- the AWS SDK for JavaScript

round_js() {
  local t
  have node nodejs && have npm npm || return
  mkdir js && (cd js && npm install --cache "$work/npm" --no-audit --no-fund @aws-sdk/client-s3 @aws-sdk/lib-storage @aws-sdk/s3-request-presigner) >npm.log 2>&1 ||
    { echo "SKIP $round: npm install: $(tail -n 1 npm.log)"; return; }
  cat >js/run.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import * as S3 from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

// Without forcePathStyle the SDK puts a bucket with a dot before an IP address, when it is not HTTPS.
const s3 = new S3.S3({ forcePathStyle: true }), Bucket = "master.js";
const v1 = readFileSync("v1"), v2 = readFileSync("v2"), big = readFileSync("big").subarray(0, 12 << 20);
const read = async (Key, more) => Buffer.from(await (await s3.getObject({ Bucket, Key, ...more })).Body.transformToByteArray());
const odd = "a b+ü/(x)'!*&=.txt";
const run = {
  async put() {
    await s3.createBucket({ Bucket });
    await s3.putObject({ Bucket, Key: odd, Body: v1, Metadata: { a: "b" } });
    const got = await s3.getObject({ Bucket, Key: odd });
    assert.deepEqual([await got.Body.transformToString(), got.Metadata], [v1.toString(), { a: "b" }]);
    await assert.rejects(s3.getObject({ Bucket, Key: "none" }), { name: "NoSuchKey" });
    await assert.rejects(s3.headObject({ Bucket, Key: "none" }), { name: "NotFound" });
    await assert.rejects(s3.listObjectsV2({ Bucket: "master.none" }), { name: "NoSuchBucket" });
  },
  async list() {
    for (let i = 0; i < 5; i++) await s3.putObject({ Bucket, Key: `l/${i}/x`, Body: "" });
    const keys = [], prefixes = [];
    for await (const p of S3.paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket, Prefix: "l/" })) keys.push(...p.Contents.map((o) => o.Key));
    for await (const p of S3.paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket, Prefix: "l/", Delimiter: "/" })) prefixes.push(...p.CommonPrefixes.map((o) => o.Prefix));
    assert.deepEqual([keys, prefixes], [[0, 1, 2, 3, 4].map((i) => `l/${i}/x`), [0, 1, 2, 3, 4].map((i) => `l/${i}/`)]);
    assert((await s3.listObjectsV2({ Bucket })).Contents.some((o) => o.Key === odd));
  },
  async upload() {
    // A stream has no length: parts with trailers.
    for (const Body of [big, Readable.from([big.subarray(0, 7e6), big.subarray(7e6)])]) {
      await new Upload({ client: s3, params: { Bucket, Key: "big", Body } }).done();
      assert(big.equals(await read("big")));
    }
    assert.equal((await s3.headObject({ Bucket, Key: "big", PartNumber: 3 })).PartsCount, 3);
  },
  async presigned() {
    let url = await getSignedUrl(s3, new S3.GetObjectCommand({ Bucket, Key: odd }));
    assert.equal(await (await fetch(url)).text(), v1.toString());
    url = await getSignedUrl(s3, new S3.PutObjectCommand({ Bucket, Key: "put" }));
    assert.equal((await fetch(url, { method: "PUT", body: "by url" })).status, 200);
    assert.equal((await read("put")).toString(), "by url");
    assert.equal((await fetch(url.replace("/put?", "/other?"), { method: "PUT", body: "x" })).status, 403);
  },
  async versions() {
    const { VersionId } = await s3.putObject({ Bucket, Key: "v", Body: v1 });
    await s3.putObject({ Bucket, Key: "v", Body: v2 });
    const head = await s3.headObject({ Bucket, Key: "v", VersionId });
    assert.deepEqual([head.VersionId, head.ContentLength], [VersionId, v1.length]);
    const gone = await s3.deleteObject({ Bucket, Key: "v" });
    assert(gone.DeleteMarker && gone.VersionId);
    await assert.rejects(read("v"), { name: "NoSuchKey" });
    await s3.deleteObject({ Bucket, Key: "v", VersionId: gone.VersionId });
    assert((await read("v")).equals(v2));
    await s3.deleteObjects({ Bucket, Delete: { Objects: [{ Key: "v" }, { Key: "put" }] } });
    await assert.rejects(read("v"), { name: "NoSuchKey" });
  },
  async history() {
    await s3.putObject({ Bucket, Key: "past", Body: v1 });
    await s3.putObject({ Bucket, Key: "past", Body: v2 });
    assert((await read("past", { VersionId: "HEAD^" })).equals(v1));
    assert((await read("past", { Bucket: "HEAD-1." + Bucket })).equals(v1));
  },
};
await run[process.argv[2]]();
JS
  for t in "put put, get, what is not there" "list list in pages" "upload Upload of 12 MiB, of a stream" "presigned presigned URLs" \
    "versions head of a version, delete, undelete" "history a historical state, by bucket and versionId"; do
    step "${t#* }" node js/run.mjs "${t%% *}"
  done
}

# --- s3fs

mount_s3fs() { # BUCKET DIR OPTION...
  local bucket=$1 dir=$2 i
  shift 2
  mkdir -p "$dir" && mounts+=("$dir")
  s3fs "$bucket" "$dir" -o url="$AWS_ENDPOINT_URL" -o use_path_request_style -o passwd_file="$work/s3fs.key" "$@" || return 1
  for i in $(seq 50); do mountpoint -q "$dir" && return; sleep 0.1; done
  echo "it did not mount"
  return 1
}
s3fs_tree() { cp -r tree mnt/tree && diff -r tree mnt/tree && fsync_state=$(head_commit s3fs); }
s3fs_files() {
  cp big mnt/big && cat big v1 >big2 && cat v1 >>mnt/big && cmp mnt/big big2 && mv mnt/big mnt/moved && cmp mnt/moved big2 && chmod 600 mnt/moved &&
    ln -s moved mnt/link && cmp mnt/link big2 && mv mnt/tree/deep mnt/deeper && diff -r tree/deep mnt/deeper && rm -r mnt/deeper && [ ! -e mnt/deeper ]
}
s3fs_large() { # in parts, and changed in the middle
  head -c 31457280 /dev/urandom >large && cp large mnt/large && cmp large mnt/large &&
    dd if=v1 of=large bs=1 seek=3000000 conv=notrunc && dd if=v1 of=mnt/large bs=1 seek=3000000 conv=notrunc && cmp large mnt/large
}
s3fs_again() { umount mnt && mount_s3fs master.s3fs mnt && cmp mnt/moved big2 && cmp mnt/large large && diff -r "tree/with blank" "mnt/tree/with blank" && expect "$(stat -c %a mnt/moved)" 600; }
s3fs_history() { mount_s3fs "$fsync_state.master.s3fs" old-mnt -o ro && diff -r tree old-mnt/tree && umount old-mnt; }
round_s3fs() {
  local fsync_state=
  have s3fs s3fs || return
  [ -w /dev/fuse ] || { echo "SKIP $round: there is no /dev/fuse"; return; }
  echo "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" >s3fs.key && chmod 600 s3fs.key
  caret repo create s3fs >/dev/null 2>&1
  step "mount" mount_s3fs master.s3fs mnt
  step "cp -r, diff -r" s3fs_tree
  step "append, mv, chmod, ln -s, rm -r" s3fs_files
  step "30 MiB in parts, changed in the middle" s3fs_large
  step "umount, mount again" s3fs_again
  step "a historical state, by the commit's bucket" s3fs_history
  step "umount" umount mnt
}

# --- curl

# S3 wants the content's hash announced, which curl before 8 does not do by itself.
sign=(--aws-sigv4 aws:amz:us-east-1:s3 -H "x-amz-content-sha256: UNSIGNED-PAYLOAD")
sig() { curl -sS --fail-with-body "${sign[@]}" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$@"; }
curl_files() {
  sig -T v1 "$u/f" && sig -T v2 "$u/f" && sig "$u/f" | cmp - v2 && sig -I "$u/f" | grep -i '^content-length: 9' && sig -T big "$u/big" && sig "$u/big" | cmp - big &&
    sig -r 5-9 "$u/big" | cmp -n 5 -i 0:5 - big && sig "$u?list-type=2&prefix=f" | grep '<Key>f</Key>' && sig --data-binary @v1 -X PUT "$u/data" && sig "$u/data" | cmp - v1
}
curl_history() { sig -T v1 "$u/past" && sig -T v2 "$u/past" && sig "$u/past?versionId=HEAD%5E" | cmp - v1 && sig "${u/master/HEAD-1.master}/past" | cmp - v1; }
curl_delete() { sig -X DELETE "$u/f" && status 404 "${sign[@]}" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$u/f"; }
curl_wrong() { status 403 "${sign[@]}" --user "$AWS_ACCESS_KEY_ID:wrong" "$u/past" && grep SignatureDoesNotMatch body && status 403 "$u/past" && grep AccessDenied body; }
round_curl() {
  local u=$AWS_ENDPOINT_URL/master.curl
  have curl curl || return
  step "create the bucket" sig -X PUT "$u"
  step "put, get, head, range, list" curl_files
  step "a historical state, by versionId and bucket" curl_history
  step "delete" curl_delete
  step "a wrong key, and none" curl_wrong
}

# --- run

start() {
  : >"$work/server.log"
  "$top/bin/caret" serve --data "$work/data" --listen 127.0.0.1:0 ${SERVE_FLAGS-} 2>"$work/server.log" &
  server=$!
  until url=$(sed -n 's/.* at \(http:.*\)/\1/p' "$work/server.log") && [ -n "$url" ]; do
    kill -0 "$server" || { cat "$work/server.log"; exit 1; }
    sleep 0.05
  done
  eval "$("$top/bin/caret" env --data "$work/data" --endpoint "$url")"
}
cd "$work" || exit
unset AWS_CA_BUNDLE AWS_PROFILE AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_SESSION_TOKEN
export PATH="$top/bin:$PATH" LC_ALL=C.UTF-8 AWS_PAGER="" AWS_EC2_METADATA_DISABLED=true
round=setup
have curl curl || exit 1
start
data
[ $# -gt 0 ] || set -- aws boto3 s3cmd rclone restic js s3fs curl
for round in "$@"; do
  declare -F "round_$round" >/dev/null || { echo "FAIL there is no round $round"; failed=1; continue; }
  "round_$round"
done
exit $failed
