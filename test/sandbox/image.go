package sandbox

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	godigest "github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Busybox is the name of the image that LoadBusybox makes.
const Busybox = "localhost/busybox:latest"

// Image is an image to be made on the spot, from layers given entry by entry.
type Image struct {
	// Name is the full reference, with a tag.
	Name string
	// Arch is the architecture; empty for this machine's.
	Arch   string
	Config v1.ImageConfig
	Layers [][]Entry
}

// Entry is one entry of a layer. The zero header values mean a regular file of root's with mode 0644.
type Entry struct {
	tar.Header
	Data string
}

// File is a regular file.
func File(name string, mode int64, data string) Entry {
	return Entry{Header: tar.Header{Name: name, Mode: mode}, Data: data}
}

// Dir is a directory of root's.
func Dir(name string, mode int64) Entry {
	return Entry{Header: tar.Header{Name: name, Mode: mode, Typeflag: tar.TypeDir}}
}

// Link is a symbolic link.
func Link(name, target string) Entry {
	return Entry{Header: tar.Header{Name: name, Mode: 0o777, Typeflag: tar.TypeSymlink, Linkname: target}}
}

// layer is the entries as a tar archive.
func layer(entries []Entry) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := e.Header
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		h.Size = int64(len(e.Data))
		h.ModTime = time.Unix(1700000000, 0)
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(e.Data)); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

// Archive is the image in the format of docker save (manifest.json, the configuration and the layers in a tar archive).
func (i Image) Archive() ([]byte, error) {
	arch := i.Arch
	if arch == "" {
		arch = runtime.GOARCH
	}
	created := time.Unix(1700000000, 0).UTC()
	config := v1.Image{
		Created: &created, Config: i.Config, RootFS: v1.RootFS{Type: "layers"},
		Platform: v1.Platform{OS: "linux", Architecture: arch},
	}
	var files []Entry
	var names []string
	for _, entries := range i.Layers {
		data, err := layer(entries)
		if err != nil {
			return nil, err
		}
		id := digest(data)
		files = append(files, File(id+"/layer.tar", 0o644, string(data)))
		names = append(names, id+"/layer.tar")
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, godigest.Digest("sha256:"+id))
		config.History = append(config.History, v1.History{Created: &created, CreatedBy: "made by a test"})
	}
	doc, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": digest(doc) + ".json", "RepoTags": []string{i.Name}, "Layers": names}})
	if err != nil {
		return nil, err
	}
	files = append(files, File(digest(doc)+".json", 0o644, string(doc)), File("manifest.json", 0o644, string(manifest)))
	return layer(files)
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Load makes the image and loads it.
func (s *Sandbox) Load(i Image) {
	s.t.Helper()
	s.OK("load", "-q", "-i", s.SaveArchive(i))
}

// SaveArchive writes the image's archive to a file and returns its path.
func (s *Sandbox) SaveArchive(i Image) string {
	s.t.Helper()
	data, err := i.Archive()
	if err != nil {
		s.t.Fatal(err)
	}
	name := strings.NewReplacer("/", "_", ":", "_").Replace(i.Name) + ".tar"
	return s.Write(name, string(data))
}

// LoadBusybox loads the image Busybox and returns its name.
func (s *Sandbox) LoadBusybox() string {
	s.t.Helper()
	s.Load(BusyboxImage(Busybox))
	return Busybox
}

// BusyboxImage is an image of a static busybox with its applets and a few users, to which a test adds layers.
func BusyboxImage(name string, more ...[]Entry) Image {
	return Image{
		Name:   name,
		Config: v1.ImageConfig{Cmd: []string{"sh"}, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
		Layers: append([][]Entry{busyboxLayer()}, more...),
	}
}

var busyboxLayer = sync.OnceValue(func() []Entry {
	program, err := exec.LookPath("busybox")
	if err != nil {
		panic("needs Debian's package busybox-static: " + err.Error())
	}
	data, err := os.ReadFile(program)
	if err != nil {
		panic(err)
	}
	applets, err := exec.Command(program, "--list").Output()
	if err != nil {
		panic(err)
	}
	entries := []Entry{
		Dir("bin", 0o755), Dir("etc", 0o755), Dir("home", 0o755), Dir("root", 0o700), Dir("tmp", 0o1777), Dir("usr", 0o755),
		Dir("usr/bin", 0o755), Dir("var", 0o755), Dir("var/tmp", 0o1777), Link("sbin", "bin"),
		File("bin/busybox", 0o755, string(data)),
		File("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\napp:x:1000:1000:An application:/home/app:/bin/sh\n"),
		File("etc/group", 0o644, "root:x:0:\ndaemon:x:1:\napp:x:1000:\nextra:x:2000:app\nother:x:3000:\n"),
	}
	home := Dir("home/app", 0o755)
	home.Uid, home.Gid = 1000, 1000
	entries = append(entries, home)
	for _, a := range strings.Fields(string(applets)) {
		if a != "busybox" {
			entries = append(entries, Link(path.Join("bin", a), "busybox"))
		}
	}
	return entries
})

// Fifo is a named pipe.
func Fifo(name string) Entry {
	return Entry{Header: tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeFifo}}
}

// Whiteout removes what lower layers have there (OCI image spec, layer.md).
func Whiteout(name string) Entry {
	return File(path.Join(path.Dir(name), ".wh."+path.Base(name)), 0o644, "")
}

// Unpack writes the files of the image's layers into a directory and returns it.
func (s *Sandbox) Unpack(i Image) string {
	s.t.Helper()
	dir := filepath.Join(s.Dir, "unpacked")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	for _, entries := range i.Layers {
		data, err := layer(entries)
		if err != nil {
			s.t.Fatal(err)
		}
		cmd := exec.Command("tar", "-C", dir, "-xf", "-")
		cmd.Stdin = bytes.NewReader(data)
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("tar: %v: %s", err, out)
		}
	}
	return dir
}
