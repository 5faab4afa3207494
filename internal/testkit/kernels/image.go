package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed init.sh
var initScript []byte

// makeImage makes what the machine boots, vmlinuz and initramfs, in the folder.
func makeImage(m machine, cache, folder string) error {
	packages, err := openRepository(cache, m.suite, m.arch)
	if err != nil {
		return err
	}
	kernel, userland, err := packages.download(m.image)
	if err != nil {
		return err
	}
	if err := unpackKernel(kernel, folder); err != nil {
		return err
	}
	root := filepath.Join(folder, "root")
	if err := makeUserland(userland, root); err != nil {
		return err
	}
	if !m.withoutDiag {
		for _, module := range []string{"inet_diag.ko", "tcp_diag.ko"} {
			if err := os.Rename(filepath.Join(folder, module), filepath.Join(root, "modules", module)); err != nil {
				return err
			}
		}
	}
	if err := compile(m, root); err != nil {
		return err
	}
	// It is not compressed: an emulated processor would need longer to unpack it.
	pack := exec.Command("sh", "-c", "find . | cpio --quiet -R 0:0 -o -H newc >../initramfs")
	pack.Dir = root
	_, err = output(pack)
	return err
}

// makeUserland makes the root folder of the machine, with the packages unpacked.
func makeUserland(packages []string, root string) error {
	// Some packages have the folders of before the merge, whose names are links since.
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.MkdirAll(filepath.Join(root, "usr", name), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("usr/"+name, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"proc", "sys", "dev", "tmp", "run", "modules", "programs"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			return err
		}
	}
	for _, file := range packages {
		if _, err := output(exec.Command("dpkg-deb", "--extract", file, root)); err != nil {
			return err
		}
	}
	for _, name := range []string{"doc", "man", "locale", "perl5"} {
		if err := os.RemoveAll(filepath.Join(root, "usr/share", name)); err != nil {
			return err
		}
	}
	if err := os.Chmod(root, 0o755); err != nil { // an ordinary user enters it too
		return err
	}
	return os.WriteFile(filepath.Join(root, "init"), initScript, 0o755)
}

// compile builds the programs and the test programs for the machine, and copies the files that the
// tests read.
func compile(m machine, root string) error {
	environment := append(os.Environ(), "GOOS=linux", "GOARCH="+m.goarch, "CGO_ENABLED=0")
	build := func(args ...string) error {
		cmd := exec.Command("go", args...)
		cmd.Env = environment
		_, err := output(cmd)
		return err
	}
	if err := build("build", "-trimpath", "-tags", "forceposix", "-o", filepath.Join(root, "programs")+"/",
		"./cmd/check_mdfront_sockets", "./cmd/check_front_sockets", "./cmd/front_drill"); err != nil {
		return err
	}
	var list strings.Builder
	for _, p := range m.programs() {
		folder := filepath.Join(root, "src", p.folder)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := build("test", "-c", "-tags", "forceposix", "-o", filepath.Join(folder, "tests"),
			"./"+p.folder); err != nil {
			return err
		}
		fmt.Fprintf(&list, "%s %s %s\n", p.folder, p.run, strings.Trim(tooSlow+"|"+m.skip, "|"))
	}
	if err := os.CopyFS(filepath.Join(root, "src/testdata"), os.DirFS("testdata")); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "tests"), []byte(list.String()), 0o644)
}
