package api

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v1 "caret/api/v1"
)

// openDocument is the operation that tells no names, so that everybody may
// read it.
const openDocument = "openapi"

// about is what the document says of all operations.
const about = `What the command line and programs use besides S3: repos, branches, tags, commits, files, users and keys.

**Signing.** Requests are signed like those of S3, with AWS Signature Version 4, service ` + "`s3`" + ` and any region that the server accepts
(` + "`us-east-1`" + ` by default), by header or as a presigned URL:
` + "`curl --aws-sigv4 aws:amz:us-east-1:s3 --user KEY:SECRET -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' URL`" + `.

**Expressions.** A ref is a version expression as in S3's version ids: a branch, a tag, a commit id of 32 hex digits or the first 8 of them and more,
` + "`HEAD`" + ` for the head of the default branch, each followed by any of ` + "`^`, `~3`, `.1`, `@2026-11-20T12:00:00Z`" + `.

**Paging.** A listing has ` + "`items`" + ` and, if there is more, ` + "`next`" + `: give that as ` + "`after`" + ` to get the next page. ` + "`limit`" + ` makes pages smaller;
the server's own are of 1000 items, those of a diff of 20,000. An empty page without ` + "`next`" + ` is the end.

**Errors.** Every answer that is not a success is an Error: a ` + "`code`" + ` that programs may rely on, a ` + "`message`" + ` for people,
a ` + "`hint`" + ` at what to do, and for conflicts the ` + "`paths`" + `. Fields and query parameters that an operation does not have are refused, not ignored.`

// document is the API as OpenAPI describes it
// (https://spec.openapis.org/oas/v3.0.3).
type document object

func (s *server) openapi(c *call) error { return c.ok(s.document) }

// describe makes the document of operations.
func describe(ops []operation) document {
	types := newSchemas()
	paths, tags, nouns := object{}, []object{}, []string{}
	for _, op := range ops {
		if !slices.Contains(nouns, op.noun) {
			nouns = append(nouns, op.noun)
			tags = append(tags, object{"name": op.noun})
		}
		path := "/" + op.path()
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path].(object)[strings.ToLower(op.method())] = op.describe(types)
	}
	types.of(reflect.TypeFor[v1.Error]())
	return document{
		"openapi":  "3.0.3",
		"info":     object{"title": "caret", "version": "v1", "description": about},
		"servers":  []object{{"url": strings.TrimSuffix(v1.Prefix, "/")}},
		"security": []object{{"signature": []string{}}},
		"tags":     tags,
		"paths":    paths,
		"components": object{
			"schemas":   types.made,
			"responses": failures(),
			"securitySchemes": object{"signature": object{
				"type": "apiKey", "in": "header", "name": "Authorization",
				"description":                  "AWS Signature Version 4, service s3, as S3 clients sign",
				"x-amazon-apigateway-authtype": "awsSigv4",
			}},
		},
	}
}

// failures are the answers to what fails, by status.
func failures() object {
	all := object{}
	for _, p := range problems {
		key := failure(p.status)
		if all[key] == nil {
			all[key] = object{
				"description": http.StatusText(p.status) + ":",
				"content":     body("application/json", object{"$ref": "#/components/schemas/Error"}),
			}
		}
		r := all[key].(object)
		line := fmt.Sprintf("\n- `%s`: %s", p.code, p.hint)
		r["description"] = r["description"].(string) + line
	}
	return all
}

func failure(status int) string { return "Status" + strconv.Itoa(status) }

// fails are the statuses with which an operation may fail.
func (o operation) fails() []int {
	list := append([]int{400, 403, 404, 500, 503}, o.out.fails...)
	if o.method() != http.MethodGet {
		list = append(list, 409, 412, 507)
	}
	return list
}

var nameInPath = regexp.MustCompile(`\{(\w+)\}`)

func (o operation) describe(types *schemas) object {
	answers := object{}
	for _, status := range o.out.statuses {
		r := object{"description": http.StatusText(status)}
		if o.out.body != nil && status != http.StatusNoContent {
			r["content"] = types.body(o.out.body)
		}
		answers[strconv.Itoa(status)] = r
	}
	for _, status := range o.fails() {
		answers[strconv.Itoa(status)] = object{"$ref": "#/components/responses/" + failure(status)}
	}
	d := object{"tags": []string{o.noun}, "operationId": o.id, "summary": o.summary, "responses": answers}
	if params := o.describeParams(); len(params) > 0 {
		d["parameters"] = params
	}
	if o.in != nil {
		_, streamed := o.in.(stream)
		d["requestBody"] = object{"required": !streamed, "content": types.body(o.in)}
		if !streamed {
			types.made[typeName(reflect.TypeOf(o.in))].(object)["additionalProperties"] = false // as call.read has it
		}
	}
	if o.id == openDocument {
		d["security"] = []object{}
	}
	return d
}

func (o operation) describeParams() []object {
	var list []object
	for _, m := range nameInPath.FindAllStringSubmatch(o.path(), -1) {
		list = append(list, object{"name": m[1], "in": "path", "required": true, "description": inPath[m[1]], "schema": object{"type": "string"}})
	}
	for _, p := range o.params {
		schema := object{"type": "string"}
		switch p.kind {
		case "integer":
			schema = object{"type": "integer", "minimum": 1}
		case "boolean":
			schema = object{"type": "boolean"}
		case "date-time":
			schema = object{"type": "string", "format": "date-time"}
		}
		in := "query"
		if p.header {
			in = "header"
		}
		list = append(list, object{"name": p.name, "in": in, "required": p.required, "description": p.about, "schema": schema})
	}
	return list
}

func body(media string, schema object) object { return object{media: object{"schema": schema}} }

// body describes a body by a value of its type.
func (s *schemas) body(v any) object {
	switch v := v.(type) {
	case document:
		return body("application/json", object{"type": "object"})
	case stream:
		if v.of == nil {
			return body(v.media, object{"type": "string", "format": "binary"})
		}
		var names []string
		for _, event := range v.of {
			s.of(reflect.TypeOf(event))
			names = append(names, typeName(reflect.TypeOf(event)))
		}
		return body(v.media, object{"type": "string", "description": "each line, or the data of each event, is JSON: " + strings.Join(names, " or ")})
	}
	return body("application/json", s.of(reflect.TypeOf(v)))
}
