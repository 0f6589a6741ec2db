package main

import "strings"

// mutantBases are requests that are right: method, path, and "[NAME:VALUE] " for each
// header before the body.
var mutantBases = []string{
	"GET /", "GET /?prefix=master&max-buckets=2&continuation-token=x",
	"PUT /new.mutants", "PUT /other", "DELETE /new.mutants", "HEAD /master.mutants",
	"GET /master.mutants?list-type=2&prefix=d&delimiter=/&max-keys=2&start-after=a&fetch-owner=true&encoding-type=url",
	"GET /master.mutants?prefix=d&delimiter=/&max-keys=2&marker=a", "GET /master.mutants?list-type=2&continuation-token=x",
	"GET /master.mutants?versions&key-marker=k&version-id-marker={commit}&max-keys=1&delimiter=/",
	"GET /{commit}.master.mutants?list-type=2", "GET /HEAD-1.master.mutants/k",
	"GET /master.mutants?uploads&key-marker=a&upload-id-marker={upload}&max-uploads=2&delimiter=/&prefix=u",
	"GET /master.mutants?location", "GET /master.mutants?versioning", "GET /master.mutants?cors", "GET /master.mutants?acl",
	"PUT /master.mutants?versioning <VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
	"PUT /master.mutants?cors <CORSConfiguration><CORSRule><ID>a</ID><AllowedOrigin>http://*.x</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>10</MaxAgeSeconds></CORSRule></CORSConfiguration>",
	"OPTIONS /master.mutants/k [Origin:http://a.x] [Access-Control-Request-Method:GET] [Access-Control-Request-Headers:range, x] ",
	"PUT /master.mutants?tagging <Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>", "GET /master.mutants?tagging",
	"PUT /master.mutants?acl [x-amz-acl:private] ", "PUT /master.mutants/k?acl [x-amz-grant-read:uri=http://acs.amazonaws.com/groups/global/AllUsers] ",
	"PUT /master.mutants/k?acl <AccessControlPolicy><Owner><ID>root</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>",
	"PUT /master.mutants/k [Content-Type:text/plain] [x-amz-meta-a:b] [x-caret-message:why] [x-amz-tagging:a=b&c=d] one",
	"PUT /master.mutants/k [If-Match:*] [x-caret-if-head:HEAD] [x-amz-checksum-crc32:eNqcUw==] [Content-MD5:+Xye0ksgu2IefZb0A5VY/A==] one",
	"PUT /master.mutants/c [x-amz-copy-source:/master.mutants/k?versionId={commit}] [x-amz-metadata-directive:REPLACE] [x-amz-copy-source-if-match:*] ",
	"PUT /master.mutants/t.tar [x-amz-meta-snowball-auto-extract:true] [x-amz-meta-snowball-prefix:p] " + strings.Repeat("\x00", 1024),
	"GET /master.mutants/k?versionId={commit} [Range:bytes=0-1] [If-None-Match:\"x\"] [x-amz-checksum-mode:ENABLED] ",
	"GET /master.mutants/k?response-content-type=text/html&response-expires=x&partNumber=1", "HEAD /master.mutants/k?versionId=HEAD^ ",
	"GET /master.mutants/k?attributes [x-amz-object-attributes:ETag,ObjectSize,ObjectParts,Checksum] [x-amz-max-parts:2] ",
	"GET /master.mutants/k?tagging&versionId={commit}", "DELETE /master.mutants/k?tagging",
	"PUT /master.mutants/k?tagging <Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
	"DELETE /master.mutants/c", "DELETE /master.mutants/dir/a?versionId={commit}",
	"POST /master.mutants?delete <Delete><Quiet>false</Quiet><Object><Key>c</Key></Object><Object><Key>dir/b</Key><VersionId>{commit}</VersionId></Object></Delete>",
	"POST /master.mutants/up?uploads [x-amz-checksum-algorithm:CRC32] [x-amz-checksum-type:FULL_OBJECT] [Content-Type:a/b] ",
	"PUT /master.mutants/up?partNumber=2&uploadId={upload} part two",
	"PUT /master.mutants/up?partNumber=3&uploadId={upload} [x-amz-copy-source:master.mutants/k] [x-amz-copy-source-range:bytes=0-1] ",
	"GET /master.mutants/up?uploadId={upload}&max-parts=1&part-number-marker=0",
	"POST /master.mutants/up?uploadId={upload} <CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part><Part><PartNumber>9</PartNumber><ETag>{etag}</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>",
	"POST /master.mutants [Content-Type:multipart/form-data; boundary=b] --b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nf\r\n--b\r\nContent-Disposition: form-data; name=\"policy\"\r\n\r\ne30=\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nhi\r\n--b--\r\n",

	"GET /_caret/health/ready", "GET /_caret/metrics", "GET /_caret/v1/openapi.json", "GET /_caret/v1/status",
	"GET /_caret/v1/audit?since=2026-01-01T00:00:00Z&until=2030-01-01T00:00:00Z&user=root&repo=mutants&after=1&limit=2",
	"GET /_caret/v1/repos?after=a&limit=1", "POST /_caret/v1/repos {\"name\":\"r\",\"description\":\"d\",\"default_branch\":\"master\"}",
	"PATCH /_caret/v1/repos/mutants {\"description\":\"d\",\"default_branch\":\"master\"}", "DELETE /_caret/v1/repos/r?force=true&dry_run=true",
	"POST /_caret/v1/repos/mutants/branches {\"name\":\"b\",\"from\":\"HEAD^\"}", "GET /_caret/v1/repos/mutants/branches/b",
	"DELETE /_caret/v1/repos/mutants/branches/b?dry_run=true&if_head=HEAD", "POST /_caret/v1/repos/mutants/branches/b/reset?if_head=b {\"to\":\"{commit}\",\"dry_run\":true}",
	"POST /_caret/v1/repos/mutants/branches/b/protect {\"protected\":false}", "POST /_caret/v1/repos/mutants/branches/b/restore",
	"GET /_caret/v1/repos/mutants/deleted?limit=1", "POST /_caret/v1/deleted/mutants/restore", "GET /_caret/v1/deleted?limit=1",
	"GET /_caret/v1/repos/mutants/branches/master/grants?limit=1&after=a", "POST /_caret/v1/repos/mutants/tags/t/restore", "GET /_caret/v1/repos/mutants/branches/master/moves?after=2",
	"GET /_caret/v1/repos/mutants/branches/master/events?after=HEAD&path=k",
	"POST /_caret/v1/repos/mutants/tags {\"name\":\"t\",\"at\":\"HEAD\"}", "DELETE /_caret/v1/repos/mutants/tags/t?dry_run=false",
	"GET /_caret/v1/repos/mutants/resolve?ref=HEAD~1", "GET /_caret/v1/repos/mutants/commits?ref=master&path=dir/&since=2026-01-01T00:00:00Z&author=r&message=w&limit=2&after=x",
	"GET /_caret/v1/repos/mutants/commits/{commit}", "GET /_caret/v1/repos/mutants/commits/{commit}/changes?limit=1&after=a",
	"GET /_caret/v1/repos/mutants/diff?from=HEAD^&to=HEAD&prefix=d&limit=1&after=a", "GET /_caret/v1/repos/mutants/diff/stream?from=HEAD^&to=HEAD",
	"POST /_caret/v1/repos/mutants/merge {\"from\":\"b\",\"into\":\"master\",\"message\":\"m\"}", "POST /_caret/v1/repos/mutants/revert {\"commit\":\"HEAD\",\"branch\":\"master\"}",
	"GET /_caret/v1/repos/mutants/open", "POST /_caret/v1/repos/mutants/commits {\"branch\":\"master\",\"message\":\"m\"}",
	"POST /_caret/v1/repos/mutants/commits/{open}/finish {\"message\":\"m\",\"strategy\":\"ours\"}", "DELETE /_caret/v1/repos/mutants/commits/{open}?dry_run=true",
	"GET /_caret/v1/repos/mutants/files?ref={open}&prefix=d&delimiter=/&limit=1&after=a", "GET /_caret/v1/repos/mutants/stat?path=k&ref=HEAD",
	"GET /_caret/v1/repos/mutants/file?path=k [Range:bytes=1-2] ", "PUT /_caret/v1/repos/mutants/file?path=n&ref=master&message=m body",
	"POST /_caret/v1/repos/mutants/delete {\"branch\":\"master\",\"paths\":[\"n\"]}", "POST /_caret/v1/repos/mutants/copy {\"from\":\"HEAD\",\"path\":\"k\",\"to\":\"master\",\"to_path\":\"k2\"}",
	"POST /_caret/v1/repos/mutants/move {\"branch\":\"master\",\"from\":\"k2\",\"to\":\"k3\"}", "POST /_caret/v1/repos/mutants/restore {\"branch\":\"master\",\"from\":\"HEAD^\",\"prefix\":\"dir/\"}",
	"GET /_caret/v1/users", "POST /_caret/v1/users {\"name\":\"u\",\"admin\":false}", "DELETE /_caret/v1/users/u?dry_run=true",
	"GET /_caret/v1/keys?user=root&limit=1", "POST /_caret/v1/keys {\"user\":\"u\",\"repo\":\"mutants\",\"branch\":\"master\",\"read_only\":true}", "GET /_caret/v1/check?repo=mutants&quick=true",
}

// mutantParameters are those that mean something to something.
var mutantParameters = strings.Fields(`uploadId uploads delete acl tagging attributes versions versioning location policy cors lifecycle website
	versionId partNumber list-type prefix delimiter marker max-keys continuation-token start-after key-marker version-id-marker upload-id-marker
	max-uploads max-parts part-number-marker encoding-type response-content-type response-content-disposition select session append x-id
	ref path after limit from to if_head dry_run since until user repo quick force message author AWSAccessKeyId Signature X-Amz-Expires X-Amz-Security-Token`)

var mutantHeaders = strings.Fields(`Range If-Match If-None-Match If-Modified-Since If-Unmodified-Since If-Range Content-Type Content-Encoding Content-Disposition
	Content-MD5 Cache-Control Expires Expect Origin Access-Control-Request-Method Access-Control-Request-Headers Date TE Trailer
	x-amz-acl x-amz-grant-read x-amz-grant-full-control x-amz-tagging x-amz-tagging-directive x-amz-metadata-directive x-amz-copy-source
	x-amz-copy-source-range x-amz-copy-source-if-match x-amz-copy-source-if-modified-since x-amz-checksum-algorithm x-amz-sdk-checksum-algorithm
	x-amz-checksum-crc32 x-amz-checksum-sha256 x-amz-checksum-type x-amz-checksum-mode x-amz-trailer x-amz-decoded-content-length x-amz-meta-a
	x-amz-meta-snowball-auto-extract x-amz-expected-bucket-owner x-amz-source-expected-bucket-owner x-amz-storage-class x-amz-object-attributes
	x-amz-max-parts x-amz-part-number-marker x-amz-mp-object-size x-amz-if-match-size x-amz-object-lock-mode x-amz-security-token x-amz-website-redirect-location
	x-caret-message x-caret-if-head Last-Event-ID X-Forwarded-For Authorization`)

// oddValues are what stands in the place of others.
var oddValues = []string{
	"", " ", "0", "-1", "1", "2", "10001", "2147483648", "9223372036854775807", "9223372036854775808", "18446744073709551616", "1e999", "0x10", "NaN", "true", "null", "[]", "{}",
	"\x00", "a\x00b", "\xff\xfe", "\xc3", "é", "\u202e", "\u0130\u0130\u0130\u0130\u0130\u0130\u0130\u0130\u0130\u0130\u0130\u0130\u0130\u0130", "😀", "a\nb", "a\r\nX: y", "+", "%", "%2F", "%zz", "a b", "a+b", "a&b=c", "a;b", "=", "?", "#",
	"..", ".", "/", "//", "../..", "a/../b", "/a", "a/", strings.Repeat("x", 1025), strings.Repeat("x/", 600), strings.Repeat("^", 300), strings.Repeat("é", 512),
	"HEAD", "HEAD^", "HEAD~99999999999999999999", "HEAD~9223372036854775807", "HEAD-1", "HEAD-99", ".0", ".1", ".18446744073709551615", "HEAD@2026-11-20T12:00:00Z", "HEAD@9999-12-31T23:59:59Z", "HEAD@{1}", "@", "^", "^0", "~", "master", "mutants", "master.mutants", "b", "t",
	"00000000", "0000000000000000000000000000000000000000000000000000000000000000", "MASTER", "k", "dir/", "dir", "up", "new",
	"bytes=0-0", "bytes=-0", "bytes=-9223372036854775808", "bytes=0-9223372036854775807", "bytes=9223372036854775807-", "bytes=1-0", "bytes=0-0,1-1", "bytes= 0-0", "bytes=0-0,", "x=0-1",
	"*", "\"x\"", "W/\"x\"", "\"\"", "\",\"", "AAAA", "AAAAAA==", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-2", "CRC32", "SHA256", "COMPOSITE", "FULL_OBJECT", "REPLACE", "COPY", "ENABLED", "ours", "theirs",
	"Thu, 01 Jan 1970 00:00:00 GMT", "2026-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "-0001-01-01T00:00:00Z", "1677-09-21T00:12:43Z", "2262-04-11T23:47:17Z",
	"public-read", "bucket-owner-full-control", "id=root", "id=\"root\", uri=http://acs.amazonaws.com/groups/global/AllUsers", "emailAddress=x@y", "http://a.x",
	"/master.mutants/k", "master.mutants%2Fk", "/master.mutants/k?versionId=HEAD%5E", "/%2e%2e/k", "/master.mutants/", "master.mutants", "arn:aws:s3:::x/k", "100-continue", "chunked", "aws-chunked", "gzip, aws-chunked", "x-amz-checksum-crc32", "multipart/form-data", "multipart/form-data; boundary=b", "multipart/form-data; boundary=" + strings.Repeat("b", 80),
	"a=b&a=c", "a=b&", "&&", "=v", "%00=x", "<a>", "<a/>", "</a>", "<![CDATA[x]]>", "&lt;", "&#0;", "&#x10ffff;", "&x;", "<!DOCTYPE a [<!ENTITY x \"" + strings.Repeat("y", 50) + "\">]>", "<?xml version=\"1.0\" encoding=\"UTF-16\"?>", "<?xml version=\"1.1\"?>", "\ufeff",
	strings.Repeat("<a>", 2000), strings.Repeat("[", 20000), strings.Repeat("{\"a\":", 12000), "{\"a\":1,\"a\":2}", "\"\\ud800\"", "\"\\u0000\"", "1", "-0", "1.5", "[null]", "{\"name\":null}",
}
