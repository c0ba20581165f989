// The program packs files into a zip archive, as a deployment uploads the source
// of the function, unpacks that into a directory, and prints its size in bytes.
// It reads the files' names from standard input, each with a NUL after it.
//
//	archive ROOT ZIP DIRECTORY
package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("want ROOT ZIP DIRECTORY")
	}
	size, err := archive(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(size)
}

func archive(root, path, to string) (size int, err error) {
	names, err := io.ReadAll(os.Stdin)
	if err != nil {
		return 0, err
	}
	packed, err := pack(root, strings.Split(strings.TrimRight(string(names), "\x00"), "\x00"))
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(path, packed, 0o644); err != nil {
		return 0, err
	}
	r, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return 0, err
	}
	return len(packed), os.CopyFS(to, r)
}

func pack(root string, names []string) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		entry, err := w.Create(name)
		if err != nil {
			return nil, err
		}
		if _, err := entry.Write(data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}
