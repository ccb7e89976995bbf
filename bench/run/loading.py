"""The loaded pass of a run: on a clone of the template, as often as asked for, into the run's draft."""

from __future__ import annotations

from bench.model.run import Note, Repeat
from bench.pg.server import Server
from bench.run.clones import clone, own_roles
from bench.run.deploy import Deployer, apply_once
from bench.run.draft import RunDraft
from bench.run.loaded import Hazard, LoadOptions, Scripts, loaded_pass
from bench.run.progress import Progress, Step
from bench.workload.choose import mix_for

NO_TRAFFIC = Note(
    "loaded pass",
    "Left out: there is no workload.toml, and no table with rows and a key of one column to derive traffic "
    "from.",
)


def load_clones(
    server: Server,
    prepared: str,
    scripts: Scripts,
    options: LoadOptions,
    draft: RunDraft,
    progress: Progress,
    *,
    hazard: Hazard | None = None,
    deploy: Deployer = apply_once,
) -> None:
    """Apply the scripts under traffic, each time to a fresh clone of ``prepared``.

    Left out where a migration has failed before: it would fail here, too. Raises as :func:`loaded_pass` does,
    and ServerError where the server has gone; what was measured until then is in the draft.
    """
    name = hazard.name if hazard is not None else None
    for index in range(options.repeats):
        if draft.failed is not None:
            return
        progress(Step(f"loaded pass, repeat {index + 1} of {options.repeats}"))
        with own_roles(server), clone(server, prepared, "loaded") as dbname:
            with server.connect(dbname, application_name="pgrehearse observer") as conn:
                mix = mix_for(conn, options.mix)
            if mix is None:
                draft.note(NO_TRAFFIC)
                return

            def keep(repeat: Repeat) -> None:
                draft.put_loaded(repeat, name)

            loaded_pass(
                server,
                dbname,
                scripts,
                mix,
                options,
                index=index,
                hazard=hazard,
                deploy=deploy,
                keep=keep,
                progress=progress,
            )
            server.connect().close()  # raises where the server is gone
