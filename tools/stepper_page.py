"""Write the stepper's page for the site: `python tools/stepper_page.py PAGE JUDGE CHECKPOINT...`; a checkpoint is shown under the name of its folder."""
import sys
from pathlib import Path
from mambaflow.app.stepper import ModelSet, Request

page, judge, *files = map(Path, sys.argv[1:])
if not files: sys.exit('no weights: on a GPU, mambaflow_batch nbs/experiments/plans/conditional.yaml --out outputs/conditional trains them')
order = [name for kind in ('PM', 'HMA', 'PT') for name in sorted(f.parent.name for f in files if f.parent.name.split('-')[0] == kind)]
models = {name: next(f for f in files if f.parent.name == name) for name in order}
page.parent.mkdir(parents=True, exist_ok=True)
print(ModelSet(models, judge=judge).save_html(page, request=Request(guidance=2.)))
