// Reads a report in the format rdjson from standard input with reviewdog's own parser, and prints the places of its
// diagnostics and suggestions.
package main

import (
	"fmt"
	"os"

	"github.com/reviewdog/reviewdog/parser"
	"github.com/reviewdog/reviewdog/proto/rdf"
)

func main() {
	diagnostics, err := parser.NewRDJSONParser().Parse(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, diagnostic := range diagnostics {
		location := diagnostic.GetLocation()
		fmt.Println(diagnostic.GetSeverity(), diagnostic.GetCode().GetValue(), location.GetPath(), place(location.GetRange()))
		for _, suggestion := range diagnostic.GetSuggestions() {
			fmt.Printf("  %s %q\n", place(suggestion.GetRange()), suggestion.GetText())
		}
	}
}

func place(at *rdf.Range) string {
	start, end := at.GetStart(), at.GetEnd()
	return fmt.Sprintf("%d:%d-%d:%d", start.GetLine(), start.GetColumn(), end.GetLine(), end.GetColumn())
}
