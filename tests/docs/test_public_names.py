"""What the package promises by name. A change here is a change of what users rely on."""

from __future__ import annotations

import inspect
import operator

import pytest

import sapwood
from sapwood import errors, models, package, workspace
from sapwood.errors import SapwoodError
from sapwood.store import oci

pytestmark = pytest.mark.quick

# Every error, with its parent and the exit code of the command line.
ERRORS = {
    "SapwoodError": ("Exception", 1),
    "InputError": ("SapwoodError", 2),
    "DtypeMismatch": ("InputError", 2),
    "ShapeMismatch": ("InputError", 2),
    "UnsupportedType": ("InputError", 2),
    "InvalidPatch": ("SapwoodError", 3),
    "TruncatedPatch": ("InvalidPatch", 3),
    "UnsupportedPatch": ("InvalidPatch", 3),
    "VerificationError": ("SapwoodError", 4),
    "SourceHashMismatch": ("VerificationError", 4),
    "TargetHashMismatch": ("VerificationError", 4),
    "InvalidModelFile": ("SapwoodError", 5),
    "LimitExceeded": ("SapwoodError", 6),
    "IoError": ("SapwoodError", 7),
    "Busy": ("IoError", 7),
    "WorkspaceBusy": ("Busy", 13),
    "Changed": ("IoError", 7),
    "Unavailable": ("IoError", 7),
    "SignatureError": ("SapwoodError", 8),
    "BatchFailed": ("SapwoodError", 9),
    "InvalidJournal": ("SapwoodError", 10),
    "InvalidPackage": ("SapwoodError", 11),
    "InvalidTemplate": ("SapwoodError", 11),  # another name of it
    "InvalidStore": ("SapwoodError", 14),
    "InvalidWorkspace": ("SapwoodError", 12),
    "UnsupportedWorkspace": ("InvalidWorkspace", 12),
}

SIGNATURES = {
    "create_patch": [
        "source", "target", "output", "compression_level", "neural", "private_key",
        "counter", "metadata", "created_at", "chunk_size", "low_rank", "reverse", "include",
        "exclude", "threads", "limits", "progress",
    ],
    "apply_patch": [
        "source", "patch", "output", "public_key", "signature", "resume", "force", "receiving",
    ],
    "verify_patch": ["source", "patch", "public_key", "signature", "receiving"],
    "in_place.apply": [
        "path", "patch", "sources", "signature", "undo", "keep_undo", "break_links", "step",
        "receiving",
    ],
    "in_place.roll_back": ["path", "receiving"],
    "in_place.confirm": ["path"],
    "Receiving": [
        "trust", "limits", "memory", "threads", "progress", "download", "fetching",
    ],
    "Trust": ["keys", "minimum_counter", "threshold"],
    "receive": ["patch", "receiving", "signature", "resumed", "parts", "tensors"],
    "delivery": ["patch", "receiving", "signature", "resumed", "parts"],
    "extract_adapter": ["patch", "output", "base", "dtype", "signature", "receiving"],
    "load_patched": ["base", "patch", "signature", "receiving"],
    "extract_tensors": ["base", "patch", "output", "names", "signature", "receiving"],
    "patch_info": ["patch", "limits"],
    "inspect_patch": ["patch", "signature", "receiving"],
    "diff": ["base", "target", "include", "exclude", "progress"],
    "generate_keypair": [],
    "sign_patch": ["patch", "private_key", "output", "counter", "detached", "limits"],
    "fingerprint": ["model_path", "full", "include", "exclude"],
    "create_chain": ["patches", "output", "reverse", "receiving"],
    "append_to_chain": ["chain", "patch", "reverse", "receiving"],
    "chain_info": ["chain", "limits"],
    "extract_patch": ["chain", "number", "output", "reverse", "receiving"],
    "apply_chain": ["source", "chain", "output", "to", "receiving"],
    "squash_chain": [
        "source", "chain", "output", "first", "last", "compression_level", "private_key",
        "counter", "metadata", "low_rank", "reverse", "receiving",
    ],
    "patch_offer": ["patch", "name", "limits"],
    "chain_offers": ["chain", "name", "limits"],
    "file_offer": ["file", "name"],
    "held_versions": ["sources", "sizes"],
    "plan_route": ["have", "want", "offers", "by", "bandwidth", "apply_speed"],
    "compare_fingerprints": ["model1", "model2"],
}  # fmt: skip


def test_the_top_level() -> None:
    assert set(vars(sapwood)["__all__"]) == {
        "Buffer",
        "DType",
        "Limits",
        "PatchSource",
        "Progress",
        "Patch",
        "__version__",
        "apply_patch",
        "apply_patch_to_chunks",
        "create_patch",
        "create_patch_from_chunks",
        "errors",
        "inspect_patch",
        "models",
    }
    assert all(hasattr(sapwood, name) for name in vars(sapwood)["__all__"])


def test_models() -> None:
    assert set(vars(models)["__all__"]) == {
        *("apply_patch", "create_patch", "delivery", "in_place", "patch_info", "receive"),
        *("extract_adapter", "extract_tensors", "inspect_patch", "load_patched", "verify_patch"),
        *("append_to_chain", "apply_chain", "chain_info", "create_chain", "extract_patch"),
        *("chain_offers", "file_offer", "held_versions", "patch_offer", "plan_route"),
        *("compare_fingerprints", "diff", "fingerprint", "generate_keypair", "sign_patch"),
        *("squash_chain",),
        *(
            "Accepted",
            "Delivery",
            "Fetching",
            "Key",
            "Limits",
            "ListedSignature",
            "Output",
            "Progress",
            "Received",
        ),
        *("Receiving", "Source", "Trust"),
        *("FileDigest", "Front", "Header", "OpenPatch", "Segment", "TensorSpec"),
        *("Inspection", "PatchApplication", "PatchInfo", "PatchStats", "PatchVerification"),
        *("PatchedFile", "PatchedModel", "Slot", "Slots"),
        *("AdapterModule", "AdapterReport", "Remainder"),
        *("Chain", "ChainApplication", "Link", "Version"),
        *("APPLY_SPEED", "BANDWIDTH", "Alternative", "By", "Offer", "Offered", "Route"),
        *("RoutePlan",),
        *("FILE_STATUSES", "FileDiff", "FileStatus", "Fingerprint", "Measures", "ModelDiff"),
        *("STATUSES", "Status", "TensorDiff"),
        *("PATCH_SUFFIX", "Batch", "Pair", "Pairing", "folders_for", "pair_files"),
        *("pair_patches",),
        *("InvalidPatch", "IoError", "SapwoodError", "SignatureError", "SourceHashMismatch"),
        *("PatchRollBack", "PatchSigning", "TargetHashMismatch", "TensorExtraction"),
    }
    assert all(hasattr(models, name) for name in vars(models)["__all__"])


def test_the_arguments_of_models() -> None:
    for name, arguments in SIGNATURES.items():
        function = operator.attrgetter(name)(models)
        assert list(inspect.signature(function).parameters) == arguments


def test_the_tree_of_errors() -> None:
    found = {
        name: (error.__base__.__name__, error.exit_code)
        for name, error in vars(errors).items()
        if isinstance(error, type) and issubclass(error, SapwoodError) and error.__base__
    }
    assert found == ERRORS


def test_workspaces() -> None:
    assert set(vars(workspace)["__all__"]) == {
        *("Action", "ArchiveLimits"),
        *("Backup", "Blocked", "Change", "FileIdentity", "RecordedFile", "FileStatus"),
        *("DataCache", "DataFile", "DataStatus", "Dataset", "Fetched", "fetch_data"),
        *("Difference", "LineChanges", "Manifest", "Module", "Outcome", "UpdatePlan", "Policy"),
        *("UpdateRequest",),
        *("PolicyRule", "Record"),
        *("CellReport", "MergedNotebook", "Reason"),
        *("Environment", "Export", "ExportState", "ExportStatus", "Exported"),
        *("Finding", "Remedy", "Severity"),
        *("Course", "CourseConfig", "Extra", "OpenCourse", "open_course", "parse_course"),
        *("Restored", "Rules", "State", "Status", "Package", "Workspace"),
        *("open_package", "find_dataset", "parse_manifest", "read_manifest"),
        *("Clock", "CourseSource", "Fetching", "Notes", "Progress", "TemplateSource"),
    }
    assert all(hasattr(workspace, name) for name in vars(workspace)["__all__"])
    arguments = {
        "init": ["folder", "template", "config", "clock"],
        "open": ["folder", "name", "clock"],
        "find": ["start", "name", "clock"],
        "plan_update": ["self", "template", "request", "config"],
        "update": ["self", "template", "request", "config"],
        "plan_reset": ["self", "template", "module", "allow_downgrade"],
        "reset": ["self", "template", "module", "allow_downgrade"],
        "differences": ["self", "template", "module", "paths", "allow_downgrade", "most_pairs"],
        "exports": ["self", "template", "modules"],
        "export": ["self", "template", "modules", "replace"],
        "examine": ["self", "template"],
        "status": ["self"],
        "line_changes": ["self", "path", "record", "most_pairs"],
        "backups": ["self"],
        "restore": ["self", "backup", "paths"],
    }
    for name, expected in arguments.items():
        found = inspect.signature(getattr(workspace.Workspace, name)).parameters
        assert list(found) == expected


def test_packages() -> None:
    assert set(vars(package)["__all__"]) == {
        *("DataFile", "Dataset", "Environment", "Export", "FileIdentity", "Manifest", "Module"),
        *("Note", "Package", "PackageFile", "PatchOnly", "Policy", "PolicyRule", "Rules"),
        *("FoundFile", "Target", "UnreadableNotebook", "WeightsPatch"),
        *("archive_files", "file_in_folder", "find_module", "open_package", "parse_manifest"),
        *("read_manifest", "regular_files"),
        *("content_hash", "has_windows_ends", "holds_text", "parsed_notebook", "reduced_cell"),
        *("reduced_notebook", "unix_ends", "with_ends_of", "LARGEST_READ", "NOTEBOOK"),
        *("ArchiveLimits", "DEFAULT_ARCHIVE_LIMITS", "DEFAULT_RULE", "MANIFEST_FILE"),
        *("MODULE_NAME", "MOST_MODULES", "PACKAGE_NAME", "USER"),
    }
    assert all(hasattr(package, name) for name in vars(package)["__all__"])


def test_stores() -> None:
    assert oci.__all__ == ["OCI", "Descriptor", "Layout", "Reference", "parse_reference"]


def test_every_public_name_is_documented() -> None:
    for module in (sapwood, models, package, oci, workspace, errors):
        for name, value in vars(module).items():
            if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
                assert inspect.getdoc(value), name
