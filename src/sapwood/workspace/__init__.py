"""Workspaces: folders made from a template that their users own, and that still get fixes.

    from sapwood.workspace import Workspace

    workspace, _ = Workspace.init("course", "course-1.0.0.zip")
    plan = workspace.plan_update("course-1.1.0.zip")
    outcome = workspace.update("course-1.1.0.zip")

`change.planning` decides, as pure data; `change.staging` prepares; `change.applying` changes
files, in one transaction. docs/workspaces.md says what a template holds.
"""

from sapwood.fetching import Fetching
from sapwood.package import (
    ArchiveLimits,
    DataFile,
    Dataset,
    Environment,
    Export,
    FileIdentity,
    Manifest,
    Module,
    Package,
    Policy,
    PolicyRule,
    Rules,
    open_package,
    parse_manifest,
    read_manifest,
)
from sapwood.progress import Notes, Progress
from sapwood.workspace.change.opening import TemplateSource
from sapwood.workspace.change.planning import Change
from sapwood.workspace.change.results import (
    Difference,
    FileStatus,
    Outcome,
    Restored,
    Status,
    UpdatePlan,
)
from sapwood.workspace.change.texts import LineChanges
from sapwood.workspace.change.updating import UpdateRequest
from sapwood.workspace.course.course_yml import CourseConfig, parse_course
from sapwood.workspace.course.sources import CourseSource, OpenCourse, open_course
from sapwood.workspace.data.cache import DataCache, DataStatus, Fetched, fetch_data, find_dataset
from sapwood.workspace.disk.states import Action, Blocked, State
from sapwood.workspace.doctor.findings import Finding, Remedy, Severity
from sapwood.workspace.exporting.status import ExportState, ExportStatus
from sapwood.workspace.exporting.writing import Exported
from sapwood.workspace.notebooks.reports import CellReport, MergedNotebook, Reason
from sapwood.workspace.record.backups import Backup
from sapwood.workspace.record.course import Course, Extra
from sapwood.workspace.record.record import Record, RecordedFile
from sapwood.workspace.workspace import Clock, Workspace

__all__ = [
    "Action",
    "ArchiveLimits",
    "Backup",
    "Blocked",
    "CellReport",
    "Change",
    "Clock",
    "Course",
    "CourseConfig",
    "CourseSource",
    "DataCache",
    "DataFile",
    "DataStatus",
    "Dataset",
    "Difference",
    "Environment",
    "Export",
    "ExportState",
    "ExportStatus",
    "Exported",
    "Extra",
    "Fetched",
    "Fetching",
    "FileIdentity",
    "FileStatus",
    "Finding",
    "LineChanges",
    "Manifest",
    "MergedNotebook",
    "Module",
    "Notes",
    "OpenCourse",
    "Outcome",
    "Package",
    "Policy",
    "PolicyRule",
    "Progress",
    "Reason",
    "Record",
    "RecordedFile",
    "Remedy",
    "Restored",
    "Rules",
    "Severity",
    "State",
    "Status",
    "TemplateSource",
    "UpdatePlan",
    "UpdateRequest",
    "Workspace",
    "fetch_data",
    "find_dataset",
    "open_course",
    "open_package",
    "parse_course",
    "parse_manifest",
    "read_manifest",
]
