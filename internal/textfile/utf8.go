package textfile

import (
	"errors"
	"unicode/utf8"
)

var errNotUTF8 = errors.New("not UTF-8: if it is GBK, write it into another file with iconv -f GBK -t UTF-8")

// CheckUTF8 returns an error that says what to do if the line is not UTF-8. Files from Chinese
// Windows are in GBK.
func CheckUTF8(line string) error {
	if utf8.ValidString(line) {
		return nil
	}
	return errNotUTF8
}
