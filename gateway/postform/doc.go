// Package postform reads the forms with which a browser uploads a file to
// S3, and checks the policies that sign them.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/HTTPPOSTForms.html
//
// A form is fields and then a file. Who made it signed its policy: until when
// it may be used, and what its fields and the size of the file must be. The
// caller goes in this order:
//
//	form, err := postform.Read(r)                    // the fields; nothing is trusted yet
//	key, err := postform.Verify(ctx, form, ...)      // who signed the policy, as it was sent
//	policy, err := postform.ParsePolicy(form.Fields.Get("policy"))
//	err = policy.Check(form, bucket, now)            // the fields
//	store(policy.Reader(form.File))                  // the file, which streams
//
// A form without a policy is anonymous: Verify returns no key, and there is
// nothing to check. What the fields mean (acl, success_action_status, ...) is
// the caller's to know.
//
// The package keeps no state; a Policy may be used concurrently, a Form not.
// It must not import storage.
package postform
