package image

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/pkg/compression"

	"github.com/berth-engine/berth/errdefs"
)

// prepare makes a directory or a plain archive file of the source, and returns which transport reads it. It reads an archive's
// headers to the end, so that a truncated one is found out before anything is unpacked.
func (op *operation) prepare(src *source) (transport string, err error) {
	if src.input == nil && isDir(src.path) {
		if transport, err = directoryKind(src.path); err == nil && transport == "oci" {
			src.path, err = op.plainPath(src.path)
		}
		return transport, err
	}
	if src.transport == "oci" || src.transport == "dir" {
		return "", errdefs.NotFound("no such directory: %s", src.path)
	}
	file, err := op.plain(src)
	if err != nil {
		return "", err
	}
	defer file.Close()
	kind, err := op.archiveKind(file)
	if err != nil {
		return "", err
	}
	if kind == "docker-archive" {
		src.path, err = op.plainPath(file.Name())
		return kind, err
	}
	dir := filepath.Join(op.tmpPlain, "oci")
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if err := unpackLayout(file, dir); err != nil {
		return "", err
	}
	src.path = dir
	return "oci", nil
}

// directoryKind tells an OCI image layout from the format of the dir transport.
func directoryKind(dir string) (string, error) {
	for _, kind := range []struct{ file, transport string }{{"oci-layout", "oci"}, {"index.json", "oci"}, {"version", "dir"}, {"manifest.json", "dir"}} {
		if _, err := os.Stat(filepath.Join(dir, kind.file)); err == nil {
			return kind.transport, nil
		}
	}
	return "", errdefs.Invalid("%s is a directory, but neither an OCI image layout nor one written by the dir transport", dir)
}

// plain opens the archive; one that is compressed or a stream is written to a file of the operation first.
func (op *operation) plain(src *source) (*os.File, error) {
	in := src.input
	var file *os.File
	if in == nil {
		var err error
		if file, err = os.Open(src.path); err != nil {
			return nil, err
		}
		in = file
	}
	stream, compressed, err := compression.AutoDecompress(in)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	if file != nil && !compressed {
		if fi, err := file.Stat(); err == nil && fi.Mode().IsRegular() {
			_, err := file.Seek(0, io.SeekStart)
			return file, err
		}
	}
	if file != nil {
		defer file.Close()
	}
	return op.spool(stream)
}

// spool writes a stream to a file of the operation.
func (op *operation) spool(r io.Reader) (*os.File, error) {
	f, err := os.CreateTemp(op.tmpPlain, "archive-")
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(f, &bounded{r, op.limits.bytes}); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

var errNoImages = errors.New("it is not an image archive: neither docker-archive nor oci-archive (berth import takes the archive of a root file system)")

// archiveKind reads all headers. An archive that is both, as Docker writes them, is read as docker-archive, whose names are
// full.
func (op *operation) archiveKind(r io.Reader) (string, error) {
	kind := ""
	count := newTally(op.limits)
	tr := tar.NewReader(r)
	for n := 0; ; n++ {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF) && n > 0 && kind != "":
			return kind, nil
		case errors.Is(err, io.EOF), errors.Is(err, tar.ErrHeader) && n == 0:
			return "", errNoImages
		case err != nil:
			return "", err
		}
		if err := count.add(h); err != nil {
			return "", err
		}
		switch path.Clean(h.Name) {
		case "manifest.json":
			kind = "docker-archive"
		case "oci-layout", "index.json":
			if kind == "" {
				kind = "oci"
			}
		}
	}
}

// unpackLayout writes the files of an OCI image layout, which are the only ones that can matter, into a new directory. Nothing
// but regular files is made, all names are checked against the layout's, and the directory cannot be left.
func unpackLayout(r io.Reader, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if h.Typeflag != tar.TypeReg || !inLayout(name) {
			continue
		}
		if err := writeIn(root, name, tr); err != nil {
			return err
		}
	}
}

// inLayout: oci-layout, index.json, or blobs/ALGORITHM/ENCODED (image-spec, image-layout.md).
func inLayout(name string) bool {
	if name == "oci-layout" || name == "index.json" {
		return true
	}
	parts := strings.Split(name, "/")
	return len(parts) == 3 && parts[0] == "blobs" && plainWord(parts[1]) && plainWord(parts[2])
}

func plainWord(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-_=") == ""
}

func writeIn(root *os.Root, name string, r io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
