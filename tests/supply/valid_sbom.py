"""Whether CycloneDX's own library takes a bill of materials: by the schema of its version, and strictly.

Run by tests/sbom.sh with a Python that has it.
"""

import pathlib
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(pathlib.Path(sys.argv[1]).read_text())
if fault:
    sys.exit(f"SBOM: {fault}")
