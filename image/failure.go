package image

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"

	"github.com/docker/distribution/registry/api/errcode"
	v2 "github.com/docker/distribution/registry/api/v2"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/signature"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// classed reports whether err has a class of its own already.
func classed(err error) bool {
	return err != nil && !errors.Is(errdefs.Class(err), errdefs.ErrInternal)
}

// fileError gives an error of the file system its class.
func fileError(err error, doing string) error {
	switch {
	case err == nil:
		return nil
	case classed(err):
		return err
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return errdefs.Unavailable("%s: no space left on device, and nothing was kept: free some, for example with berth rmi: %w", doing, err)
	case errors.Is(err, fs.ErrNotExist):
		return errdefs.NotFound("%s: %w", doing, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return errdefs.Denied("%s: %w", doing, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return errdefs.Unavailable("%s: interrupted: %w", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// storeError gives an error of containers/storage its class.
func storeError(err error, doing string) error {
	switch {
	case err == nil:
		return nil
	case classed(err):
		return err
	case errors.Is(err, storage.ErrImageUnknown), errors.Is(err, storage.ErrLayerUnknown):
		return errdefs.NotFound("%s: %w", doing, err)
	case errors.Is(err, storage.ErrImageUsedByContainer), errors.Is(err, storage.ErrLayerHasChildren),
		errors.Is(err, storage.ErrLayerUsedByImage), errors.Is(err, storage.ErrDuplicateID):
		return errdefs.Conflict("%s: %w", doing, err)
	}
	return fileError(err, doing)
}

// registryError gives an error of a transfer from or to a registry its class; host is the registry's address.
func registryError(err error, doing, host string) error {
	var unauthorized docker.ErrUnauthorizedForCredentials
	var policy signature.PolicyRequirementError
	switch {
	case err == nil:
		return nil
	case classed(err):
		return err
	case isLimit(err):
		return errdefs.Invalid("%s: a layer is refused, and nothing was kept: %w", doing, err)
	case errors.Is(err, context.Canceled), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fileError(err, doing)
	case errors.As(err, &unauthorized):
		return errdefs.Denied("%s: registry %s did not accept the credentials: log in with berth login %s: %w", doing, host, host, err)
	case errors.As(err, &policy):
		return errdefs.Denied("%s: the signature policy (policy.json) does not allow it: %w", doing, err)
	case errors.Is(err, docker.ErrTooManyRequests):
		return errdefs.Unavailable("%s: registry %s refuses further requests for now: try again later, or log in: %w", doing, host, err)
	}
	if status := registryStatus(err); status != 0 {
		return statusError(err, status, doing, host)
	}
	if err := networkError(err, doing, host); err != nil {
		return err
	}
	if errors.Is(err, fs.ErrPermission) {
		return errdefs.Denied("%s: %w", doing, err)
	}
	return errdefs.Invalid("%s: %w", doing, err)
}

// registryStatus is the HTTP status that a registry's answer amounts to, 0 if err is not one.
func registryStatus(err error) int {
	var unexpected docker.UnexpectedHTTPStatusError
	if errors.As(err, &unexpected) {
		return unexpected.StatusCode
	}
	if status := answeredStatus(err); status != 0 {
		return status
	}
	var coder errcode.ErrorCoder
	if !errors.As(err, &coder) {
		return 0
	}
	switch coder.ErrorCode() {
	case v2.ErrorCodeManifestUnknown, v2.ErrorCodeNameUnknown, v2.ErrorCodeBlobUnknown:
		return http.StatusNotFound
	case errcode.ErrorCodeUnknown:
		// Registries answer 404 with codes of their own for what they do not have.
		return http.StatusNotFound
	}
	return coder.ErrorCode().Descriptor().HTTPStatusCode
}

// answeredStatus is the HTTP status in containers/image's error for an answer that is no JSON of the distribution specification.
// Its type is not exported, its field StatusCode is.
func answeredStatus(err error) int {
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.Indirect(reflect.ValueOf(err))
		if v.Kind() != reflect.Struct {
			continue
		}
		if f := v.FieldByName("StatusCode"); f.IsValid() && f.CanInt() {
			return int(f.Int())
		}
	}
	return 0
}

func statusError(err error, status int, doing, host string) error {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return errdefs.Denied("%s: registry %s denies access: the image may not exist there, or needs berth login %s: %w", doing, host, host, err)
	case status == http.StatusNotFound:
		return errdefs.NotFound("%s: registry %s has no such image: %w", doing, host, err)
	case status >= 500 || status == http.StatusTooManyRequests:
		return errdefs.Unavailable("%s: registry %s cannot answer now, try again later: %w", doing, host, err)
	}
	return errdefs.Invalid("%s: registry %s: %w", doing, host, err)
}

// networkError is nil if err does not come from the network.
func networkError(err error, doing, host string) error {
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		dns       *net.DNSError
		op        *net.OpError
		request   *url.Error
	)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return errdefs.Unavailable("%s: registry %s does not speak HTTPS: if that is meant, use --tls-verify=false or mark it insecure in registries.conf: %w", doing, host, err)
	case errors.As(err, &authority), errors.As(err, &hostname), errors.As(err, &invalid):
		return errdefs.Unavailable("%s: the certificate of registry %s cannot be verified: put its authority's into /etc/containers/certs.d/%s, or use --tls-verify=false: %w", doing, host, host, err)
	case errors.As(err, &dns):
		return errdefs.Unavailable("%s: registry %s cannot be reached: its name does not resolve: %w", doing, host, err)
	case errors.As(err, &op), errors.Is(err, context.DeadlineExceeded):
		return errdefs.Unavailable("%s: registry %s cannot be reached: check the address, the network and the proxy: %w", doing, host, err)
	case errors.As(err, &request):
		return errdefs.Unavailable("%s: registry %s cannot be used: %w", doing, host, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errdefs.Unavailable("%s: registry %s ended a download early, try again: %w", doing, host, err)
	}
	return nil
}

// contentError gives an error of reading an archive or a directory its class: what is not the file system's fault is the
// content's.
func contentError(err error, doing string) error {
	if err == nil || classed(err) {
		return err
	}
	if isLimit(err) {
		return errdefs.Invalid("%s: it is refused, and nothing was kept: %w", doing, err)
	}
	var policy signature.PolicyRequirementError
	if errors.As(err, &policy) {
		return errdefs.Denied("%s: the signature policy (policy.json) does not allow it: %w", doing, err)
	}
	var errno unix.Errno
	if errors.Is(err, context.Canceled) || errors.As(err, &errno) || errors.Is(err, os.ErrNotExist) {
		return fileError(err, doing)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errdefs.Invalid("%s: it is truncated: %w", doing, err)
	}
	return errdefs.Invalid("%s: %w", doing, err)
}
