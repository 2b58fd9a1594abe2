"""What an exported study is, as a Workflow Run RO-Crate: workflow, run, inputs and results, in JSON-LD."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rocrate.rocrate import ROCrate

from clipvip.results import study_files
from clipvip.results.finished import Finished

PROFILES = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)
LICENSE = "https://spdx.org/licenses/MIT"
HOME = Path(__file__).parent.parent.parent  # of the workflow, where the package lies in its repository
TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".npz": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".smk": "text/plain",
    ".svg": "image/svg+xml",
}
METADATA = "ro-crate-metadata.json"


def describe(
    place: Path, plan: Mapping[str, Any], files: Mapping[str, Path], cells: Mapping[str, Finished]
) -> dict[str, Path]:
    """Write the metadata into `place`; name in the crate -> file, of the metadata and of the workflow's own files.

    ValueError where the package does not lie beside its Snakefile.
    """
    workflow = {"workflow/Snakefile": HOME / "Snakefile"}
    workflow |= {f"workflow/rules/{path.name}": path for path in sorted((HOME / "workflow" / "rules").glob("*.smk"))}
    if not workflow["workflow/Snakefile"].is_file():
        raise ValueError(f"{HOME}: no Snakefile here; export from a clone of the repository")
    began, ended = _times(cells.values())
    crate = ROCrate(version="1.1")  # of which the profiles are
    for profile in PROFILES:
        name = profile.split("/")[-2].replace("-", " ")
        crate.add_jsonld({"@id": profile, "@type": "CreativeWork", "name": name, "version": profile.split("/")[-1]})
    crate.root_dataset["conformsTo"] = [{"@id": profile} for profile in PROFILES]
    crate.name, crate.description = f"{plan['experiment']}: {plan['study']}", f"{plan['title']} {plan.get('claim', '')}"
    crate.license, crate.datePublished = LICENSE, ended
    main = crate.add_workflow(
        workflow["workflow/Snakefile"],
        "workflow/Snakefile",
        main=True,
        lang="snakemake",
        properties={"name": "Ablations of CLIP-ViP", "license": {"@id": LICENSE}},
    )
    for name, path in [*workflow.items(), *files.items()]:
        if path != workflow["workflow/Snakefile"]:
            kind = TYPES.get(path.suffix) or "application/octet-stream"
            about = {"name": name, "contentSize": str(path.stat().st_size), "encodingFormat": kind}
            crate.add_file(path, name, properties=about)
    asked = [name for name in files if name.endswith(f"/{study_files.PLAN}")]
    _run(crate, main, plan, asked, [name for name in files if name not in asked], (began, ended))
    out = place / METADATA
    out.write_text(json.dumps(crate.metadata.generate(), indent=1, sort_keys=True) + "\n")
    return {METADATA: out, **workflow}


def _run(
    crate: ROCrate,
    workflow: Any,
    plan: Mapping[str, Any],
    asked: list[str],
    made: list[str],
    times: tuple[datetime, datetime],
) -> None:
    """The action that made the results."""
    agent = crate.add_jsonld({"@id": "#laboratory", "@type": "Organization", "name": "Laboratory that ran the study"})
    action = crate.add_action(
        workflow,
        identifier=f"#run-{plan['experiment']}-{plan['study']}",
        object={"@id": asked[0]},
        result=[{"@id": name} for name in made],
        properties={
            "name": f"Run of study {plan['study']}",
            "startTime": times[0].isoformat(),
            "endTime": times[1].isoformat(),
            "actionStatus": "http://schema.org/CompletedActionStatus",
            "agent": {"@id": agent.id},
        },
    )
    crate.root_dataset["mentions"] = {"@id": action.id}


def _times(cells: Any) -> tuple[datetime, datetime]:
    """When the first cell was begun and the last one made."""
    began = [datetime.fromisoformat(cell.receipt["started"]) for cell in cells]
    ended = [at + timedelta(seconds=cell.receipt["seconds"]) for at, cell in zip(began, cells, strict=True)]
    return min(began), max(ended).replace(microsecond=0)
