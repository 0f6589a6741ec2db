package gateway

import (
	"encoding/json"
	"net/http"

	"caret/gateway/cors"
	"caret/pfs"
)

var (
	errCORS        = &apiError{403, "AccessForbidden", "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."}
	errCORSRequest = &apiError{400, "BadRequest", "Insufficient information. Origin request header needed."}
	errNoCORS      = &apiError{404, "NoSuchCORSConfiguration", "The bucket has no CORS configuration."}
)

// crossOrigin answers a preflight, and says so, or adds to an answer what
// lets a browser show it to a page of another origin.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
func (r *request) crossOrigin() (done bool, err error) {
	origin, preflight := r.Header.Get("Origin"), r.Method == http.MethodOptions
	if origin == "" && !preflight {
		return false, nil
	}
	if preflight {
		r.entry.Operation = namePreflight
	}
	method := r.Header.Get("Access-Control-Request-Method")
	if preflight && (origin == "" || method == "") {
		return true, errCORSRequest
	}
	if method == "" {
		method = r.Method
	}
	config, err := r.corsConfig()
	if err != nil {
		if e := describe(err); preflight && (e.status == http.StatusNotFound || e.status == http.StatusForbidden) {
			err = errCORS // who asks signs nothing: what is not there answers like what is
		}
		if preflight {
			return true, err
		}
		return false, nil // the operation itself will say so
	}
	headers := cors.RequestHeaders(r.Header)
	rule := config.Match(origin, method, headers)
	if rule == nil {
		if preflight {
			return true, errCORS
		}
		return false, nil
	}
	rule.Write(r.w.Header(), origin, headers, preflight)
	if preflight {
		r.w.WriteHeader(http.StatusOK)
	}
	return preflight, nil
}

// corsConfig is the bucket's configuration, nil if it has none.
func (r *request) corsConfig() (*cors.Config, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	var set pfs.Settings
	// Which origins may ask is for everybody to know who names the bucket.
	err = r.g.sys.As(pfs.Root).View(r.Context(), func(v *pfs.View) error {
		s, err := open(v, ref, pfs.ActInspect, "")
		if err == nil {
			set, err = s.Settings(r.Context())
		}
		return err
	})
	if err != nil { // which is told as to anybody
		_, err = r.g.sys.As(pfs.Anonymous).Open(r.Context(), ref, pfs.ActList, "")
		return nil, refError(err)
	}
	if len(set.CORS) == 0 {
		return nil, nil
	}
	config := new(cors.Config)
	return config, json.Unmarshal(set.CORS, config)
}

// getCORS is GetBucketCors.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketCors.html
func (r *request) getCORS() error {
	if err := r.allowed(); err != nil {
		return err
	}
	config, err := r.corsConfig()
	if err != nil {
		return err
	}
	if config == nil {
		return errNoCORS
	}
	return r.reply(config)
}

// maxCORS is the most bytes of a CORS configuration, as AWS has it.
const maxCORS = 64 << 10

// putCORS is PutBucketCors.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html
func (r *request) putCORS() error {
	if err := r.allowed(); err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(r.w, r.Body, maxCORS)
	body, err := r.body()
	if err != nil {
		return err
	}
	defer body.Close()
	config, err := cors.Parse(body, maxCORS)
	if err != nil {
		return err
	}
	b, err := json.Marshal(config)
	if err != nil {
		return err
	}
	ref, err := r.ref()
	if err != nil {
		return err
	}
	err = r.fs.ChangeSettings(r.Context(), ref, r.need, func(s *pfs.Settings) error {
		s.CORS = b
		return nil
	})
	if err != nil {
		return err
	}
	r.w.WriteHeader(http.StatusOK)
	return nil
}

// deleteCORS is DeleteBucketCors.
func (r *request) deleteCORS() error {
	return r.changeSettings(func(s *pfs.Settings) { s.CORS = nil })
}
