// Goyaml says what Kubernetes reads in a YAML document: it answers with the JSON that
// sigs.k8s.io/yaml, the reader of the API server and of kubectl, makes of it.
//
// It is a filter for batches. Each request is one document: its length as four bytes, little endian,
// and its bytes. Each answer is one line: the JSON, or "!" and the error as a JSON string. Answers come
// in the order of the requests and are flushed whenever no further request is waiting, so a caller may
// send a thousand documents or one. The end of standard input ends it.
//
// It knows nothing of what the documents are for.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

// A length above this is a caller that lost its place, not a document.
const maxDocument = 256 << 20

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "goyaml:", err)
		os.Exit(1)
	}
}

func serve(input io.Reader, output io.Writer) error {
	requests := bufio.NewReaderSize(input, 1<<20)
	answers := bufio.NewWriterSize(output, 1<<20)
	var document []byte
	for {
		var header [4]byte
		if _, err := io.ReadFull(requests, header[:]); errors.Is(err, io.EOF) {
			return answers.Flush()
		} else if err != nil {
			return err
		}
		length := int(binary.LittleEndian.Uint32(header[:]))
		if length > maxDocument {
			return fmt.Errorf("a document of %d bytes", length)
		}
		if cap(document) < length {
			document = make([]byte, length)
		}
		document = document[:length]
		if _, err := io.ReadFull(requests, document); err != nil {
			return err
		}
		answers.Write(answer(document))
		if err := answers.WriteByte('\n'); err != nil {
			return err
		}
		if requests.Buffered() == 0 {
			if err := answers.Flush(); err != nil {
				return err
			}
		}
	}
}

// answer is the JSON of one document. The reader panics on some broken input; that is a refusal too.
func answer(document []byte) (line []byte) {
	defer func() {
		if cause := recover(); cause != nil {
			line = refusal(fmt.Sprint("panic: ", cause))
		}
	}()
	line, err := yaml.YAMLToJSON(document)
	if err != nil {
		return refusal(err.Error())
	}
	return line
}

func refusal(message string) []byte {
	text, err := json.Marshal(message)
	if err != nil {
		text = []byte(`"an error that is no text"`)
	}
	return append([]byte{'!'}, text...)
}
