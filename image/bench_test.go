package image

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// crowd adds n images of five layers to the store's records, as far as looking another one up is concerned.
func crowd(b *testing.B, dir string, n int) {
	b.Helper()
	clone := func(path string, times int, change func(i int, rec map[string]any)) {
		raw, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		var all []map[string]any
		if err := json.Unmarshal(raw, &all); err != nil {
			b.Fatal(err)
		}
		first := all[0]
		for i := range times {
			rec := map[string]any{}
			for k, v := range first {
				rec[k] = v
			}
			rec["id"] = fmt.Sprintf("%064x", i+1)
			change(i, rec)
			all = append(all, rec)
		}
		if raw, err = json.Marshal(all); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	clone(filepath.Join(dir, "storage/overlay-images/images.json"), n, func(i int, rec map[string]any) {
		rec["names"] = []string{fmt.Sprintf("example.com/crowd/%d:latest", i)}
	})
	clone(filepath.Join(dir, "storage/overlay-layers/layers.json"), 5*n, func(int, map[string]any) {})
}

// BenchmarkResolve is what finding an image costs a new process, apart from starting it: from the cache, and through
// containers/storage.
func BenchmarkResolve(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		dir := b.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "registries.conf"), nil, 0o600); err != nil {
			b.Fatal(err)
		}
		open := func() *Store {
			return Open(Options{
				Root: filepath.Join(dir, "storage"), RunRoot: filepath.Join(dir, "run"),
				RegistriesConf: filepath.Join(dir, "registries.conf"), RegistriesConfDir: filepath.Join(dir, "registries.conf.d"),
				ShortNameAliases: filepath.Join(dir, "aliases"),
			})
		}
		s := open()
		if _, err := s.Resolve(ctx, "hello"); err != nil {
			b.Fatal(err)
		}
		s.Close()
		crowd(b, dir, n-1)
		settle()
		for _, cached := range []bool{true, false} {
			b.Run(fmt.Sprintf("images=%d/cached=%v", n, cached), func(b *testing.B) {
				for b.Loop() {
					s := open()
					if !cached {
						s.forget()
					}
					img, err := s.Resolve(ctx, "hello")
					if err != nil || len(img.Layers) != 1 {
						b.Fatal(img, err)
					}
					s.Close()
				}
			})
		}
	}
}
