package main

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestServe(t *testing.T) {
	var input, output bytes.Buffer
	for _, document := range []string{"a: [yes, 0o17, \"1\"]\n", "", "a: {", "x: 1\nx: 2\n", "a: &b [*b]\n"} {
		if err := binary.Write(&input, binary.LittleEndian, uint32(len(document))); err != nil {
			t.Fatal(err)
		}
		input.WriteString(document)
	}
	if err := serve(&input, &output); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(output.Bytes(), []byte("\n")), []byte("\n"))
	expected := []string{`{"a":[true,15,"1"]}`, `null`, `!`, `{"x":2}`, `!`}
	if len(lines) != len(expected) {
		t.Fatalf("%d answers: %s", len(lines), output.Bytes())
	}
	for i, line := range lines {
		if exact := expected[i] != "!"; exact && string(line) != expected[i] || !exact && line[0] != '!' {
			t.Errorf("document %d: %s instead of %s", i, line, expected[i])
		}
	}
}
