#!/usr/bin/env node
// Validates the SARIF log on standard input with the schema of SARIF 2.1.0, which the package contains. Prints the
// errors and exits with 1 if the log is invalid.
const fs = require("fs");
const path = require("path");
const Ajv = require("ajv");

const package = path.dirname(require.resolve("@microsoft/jest-sarif/package.json"));
const schema = JSON.parse(fs.readFileSync(path.join(package, "lib/schemas/sarif-2.1.0-rtm.5.json"), "utf8"));
const ajv = new Ajv({ schemaId: "auto", allErrors: true });
ajv.addMetaSchema(require("ajv/lib/refs/json-schema-draft-04.json"));
const validate = ajv.compile(schema);
if (!validate(JSON.parse(fs.readFileSync(0, "utf8")))) {
  console.log(ajv.errorsText(validate.errors, { separator: "\n" }));
  process.exit(1);
}
