"""The bill of materials of the program, in CycloneDX: `tests/supply/sbom.py BINARY > FILE`.

Every crate that is linked into it, with its licence and with the checksum by which cargo takes it. The same
sources give the same bill. The binary is asked as well: it names in its line tables what it was compiled of.
"""

import hashlib
import json
import pathlib
import re
import sys
import uuid

from crates import ROOT, Crates, fail, host, locked

# A source that the binary knows of: `.../NAME-VERSION/src/...` of a registry.
SOURCE = re.compile(rb"/([a-z0-9_-]+?)-(\d+\.\d+\.\d+[0-9A-Za-z.+-]*)/(?:src|crypto|aws-lc|c_src)/")


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}"


def component(package, kind, checksum):
    told = {"type": kind, "bom-ref": purl(package), "name": package["name"],
            "version": package["version"], "purl": purl(package)}
    if package["description"]:
        told["description"] = " ".join(package["description"].split())
    # Before SPDX had expressions, a slash was an `OR`.
    told["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    if checksum:
        told["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        told["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return told


def bill(crates):
    lock, linked = locked(), crates.linked()
    packages = {package: crates.packages[package] for package in linked}
    checksums = {package: lock[told["name"], told["version"]].get("checksum")
                 for package, told in packages.items()}
    silent = [told["name"] for package, told in packages.items()
              if package != crates.root and not (checksums[package] and told["license"])]
    if silent:
        fail(f"without a checksum or a licence: {', '.join(silent)}")
    others = sorted((package for package in linked if package != crates.root),
                    key=lambda package: purl(packages[package]))
    everything = (ROOT / "Cargo.lock").read_bytes() + host().encode()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same for the same crates and machine.
        "serialNumber": uuid.UUID(bytes=hashlib.sha256(everything).digest()[:16], version=4).urn,
        "version": 1,
        "metadata": {
            "component": component(crates.own, "application", None),
            "properties": [{"name": "portcullis:target", "value": host()}],
        },
        "components": [component(packages[other], "library", checksums[other]) for other in others],
        "dependencies": [
            {"ref": purl(packages[package]), "dependsOn": sorted(purl(packages[one]) for one in linked[package])}
            for package in [crates.root, *others]],
    }


def main(binary):
    told = bill(Crates())
    listed = {(one["name"], one["version"]) for one in told["components"]}
    known = {key for key in locked() if key not in listed}
    found = {(name.decode(), version.decode()) for name, version in SOURCE.findall(binary.read_bytes())}
    hidden = sorted(found & known)
    if hidden:
        fail(f"{binary} was compiled of these as well: {hidden}")
    if len(found & listed) < len(listed) / 2:
        fail(f"{binary} tells of {len(found & listed)} crates alone; take one that is not stripped")
    print(f"{len(listed)} crates, of which the binary names {len(found & listed)}", file=sys.stderr)
    json.dump(told, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
