"""A manifest against Kubernetes' own schemas, and what they cannot say: `manifest.py FILE FOLDER`.

Writes the policy of its ConfigMap into FOLDER."""

import copy
import pathlib
import sys

import kubernetes_validate
import yaml

OLDEST = "1.30"


def faults(document, version):
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [error.message]
    return []


def main(file, folder):
    documents = list(yaml.safe_load_all(pathlib.Path(file).read_text()))
    kinds = {document["kind"]: document for document in documents}
    kept = {"PersistentVolumeClaim", "PodDisruptionBudget"} & set(kinds)
    assert len(kept) == 1 and set(kinds) == {"ConfigMap", "Deployment", "Service"} | kept, set(kinds)
    for version in OLDEST, kubernetes_validate.latest_version():
        for document in documents:
            found = faults(document, version)
            assert not found, (version, document["kind"], found)
        wrong = copy.deepcopy(kinds["Deployment"])
        wrong["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
        assert faults(wrong, version), "a wrong key is not found"

    deployment = kinds["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert kinds["Service"]["spec"]["selector"] == deployment["selector"]["matchLabels"] == labels
    gate = pod["containers"][0]
    assert kinds["Service"]["spec"]["ports"][0]["targetPort"] in {port["name"] for port in gate["ports"]}
    mounts = {mount["name"] for mount in gate["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert mounts == set(volumes), (mounts, volumes)
    assert volumes["policy"]["configMap"]["name"] == kinds["ConfigMap"]["metadata"]["name"]
    if "PersistentVolumeClaim" in kinds:
        # One has the users.
        assert deployment["replicas"] == 1 and deployment["strategy"]["type"] == "Recreate"
        claim = volumes["users"]["persistentVolumeClaim"]["claimName"]
        assert claim == kinds["PersistentVolumeClaim"]["metadata"]["name"]
    else:
        # They are in a database, and somebody always answers.
        assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        budget = kinds["PodDisruptionBudget"]["spec"]
        assert 0 < budget["minAvailable"] < deployment["replicas"]
        assert budget["selector"]["matchLabels"] == labels
    [policy] = kinds["ConfigMap"]["data"]
    path = pathlib.Path(next(mount["mountPath"] for mount in gate["volumeMounts"] if mount["name"] == "policy"))
    assert {"name": "PORTCULLIS_CONFIG", "value": str(path / policy)} in gate["env"]
    pathlib.Path(folder, policy).write_text(kinds["ConfigMap"]["data"][policy])
    print(f"{len(documents)} documents, as Kubernetes {OLDEST} and {kubernetes_validate.latest_version()} have them")


main(*sys.argv[1:])
