"""What the page of an experiment shows: its committed record, or a banner that says plainly that
there is none yet. docs/records.yaml is the table. Findings, experiments and reports link to each other."""
import re
import nbformat
import yaml
from nbformat.v4 import new_markdown_cell
from mambaflow.config import read_json
from mambaflow.studies.records import plain_text
from pages import FENCED, FILES, NBS, OUTPUTS, ROOT, problems, targets

EXPERIMENTS, RESULTS = NBS/'experiments', NBS/'results.ipynb'
TABLE = ROOT/'docs'/'records.yaml'
HEADING = re.compile(r'^(?=##+ )', re.M)
# how the findings name a folder of outputs/: record('x/study'), record(f'x/{name}'), outputs/'x'/'y'
NAMED = re.compile(r"(?:\brecord\(f?|outputs\s*/\s*)'([\w./-]+)['{](?:\s*/\s*'([\w-]+)')?")
READ = re.compile(r"'outputs/([\w./-]+)'")
MIXED = 'The notebook has changed since: the code and the words below are those that ran.'
NO_RECORD = '''No record yet: what you see is a run of seconds, which shows that the notebook works and
measures nothing. The plan [{plan}]({file}) makes its record: `snakemake {plan} --profile
workflow/profiles/local`, as [run a plan](<#nb-how_to-workflow>) says.'''
READS = 'This notebook trains nothing: run again, it shows what is committed.'

AS_COMMITTED = re.compile(r'As committed.*?(?=\n\n|\n```|\Z)', re.S)     # words about the run of seconds

def name_of(file): return str(file.relative_to(ROOT))

def experiments():
    "The notebooks of all experiments: name in the table -> file."
    files = [f for f in EXPERIMENTS.rglob('*.ipynb') if '.ipynb_checkpoints' not in f.parts]
    return {str(f.relative_to(EXPERIMENTS).with_suffix('')): f for f in sorted(files)}

def table():
    """Experiment -> `reads`, `plan NAME`, or the file of its record. A record that has come since
    the table was written takes the place of a plan."""
    written, found = yaml.safe_load(TABLE.read_text(encoding='utf8')), experiments()
    for name in found.keys() - written.keys():
        problems.append(f'nbs/experiments/{name}.ipynb: docs/records.yaml does not say what its page shows')
    shown = {}
    for name in [n for n in written if n in found]:
        value = written[name]
        come = sorted(OUTPUTS.rglob(found[name].name), key=lambda f: (len(f.parts), f))
        if value.startswith('plan '): shown[name] = come[0] if come else value
        else: shown[name] = value if value == 'reads' else OUTPUTS/value
        plan = EXPERIMENTS/'plans'/f'{value.removeprefix("plan ")}.yaml'
        if value.startswith('plan ') and not plan.is_file():
            problems.append(f'docs/records.yaml: {name}: there is no {name_of(plan)}')
        if value.endswith('.ipynb') and not (OUTPUTS/value).is_file():
            problems.append(f'docs/records.yaml: {name}: there is no outputs/{value}')
            del shown[name]
    return shown

def shown_records(shown):
    "Record -> the notebook on whose page it stands."
    found = experiments()
    return {value: found[name] for name, value in shown.items() if not isinstance(value, str)}

def run_facts(folder):
    "Data, device, day, loss and commit of a record; nothing without one."
    if not (folder/'run.json').is_file(): return {}
    r = read_json(folder/'run.json')
    made, metrics = r.get('provenance', {}), r.get('metrics', {})
    loss, step = metrics.get('final_loss'), metrics.get('seconds_per_step') or {}
    parameters = metrics.get('parameters')
    return {'data': plain_text((r.get('data') or {}).get('name') or ''), 'device': made.get('device') or '',
            'day': (made.get('written') or '')[:10], 'commit': (made.get('commit') or '')[:7],
            'parameters': f'{parameters:,}' if parameters else '',
            'final loss': f'{loss:.4f}' if loss else '',
            'ms per step': f'{1000 * step["median"]:.2f}' if step.get('median') else ''}

def code_of(nb):
    "What runs: the source of its code cells, without parameters."
    tags = ('parameters', 'injected-parameters')
    return [c.source for c in nb.cells if c.cell_type == 'code' and not set(tags) & set(c.metadata.get('tags', []))]

def link(file, text): return f'[{text}](<#{targets[name_of(file)]}>)'

def notice(kind, cls, title, lines):
    "A box below the title."
    return '\n'.join([f'```{{admonition}} {title}', f':class: {kind} {cls}', '', '\n\n'.join(filter(None, lines)), '```'])

def group_of(folder):
    "The folder of outputs/ that a record lies in, or None."
    parts = folder.relative_to(OUTPUTS).parts if OUTPUTS in folder.parents else ()
    return parts[0] if parts else None

def group_link(group): return f'[{group}](<#reports-{group}>)'

def has_reports(group): return any((OUTPUTS/group).rglob('*.ipynb'))

def read_by(file):
    "The groups of records that a notebook reads, by the paths in its code."
    cells = [c.source for c in nbformat.read(file, as_version=4).cells if c.cell_type == 'code']
    groups = [name.split('/')[0] for source in cells for name in READ.findall(source)]
    return [g for g in dict.fromkeys(groups) if has_reports(g)]

def reading(shown):
    "The notebooks of experiments that read committed records -> the groups that they read; what only starts or plays reads none."
    return {f: read_by(f) for name, f in experiments().items() if shown.get(name) == 'reads' and '/' in name}

def links_of(findings, chosen):
    "The links to all findings that rest on a folder or notebook that is chosen, each once."
    return list(dict.fromkeys(link for f, links in findings.items() if chosen(f) for link in links))

def found_by(folder, file, findings):
    "A line of links to the findings that rest on a record or its notebook, or on the records beside it."
    own = links_of(findings, lambda f: f in (folder, file))
    if own: return f'Findings: {", ".join(own)}.'
    beside = links_of(findings, lambda f: folder and group_of(f/'run') == group_of(folder/'run'))
    return f'Findings from the records beside it: {", ".join(beside)}.' if beside else 'No finding rests on it yet.'

def box(name, value, findings):
    "What stands below the title of an experiment's page."
    file = experiments()[name]
    if value == 'reads':
        groups = reading({name: value}).get(file, [])
        rests = links_of(findings, lambda f: f == file or group_of(f/'run') in groups)
        lines = [f'Its records: {", ".join(map(group_link, groups))}.' if groups else '',
                 f'Findings from them: {", ".join(rests)}.' if rests else '']
        return notice('note', 'reads-records', 'Made from the committed records', [READS, *lines])
    found = found_by(None if isinstance(value, str) else value.parent, file, findings)
    if isinstance(value, str):
        plan = value.removeprefix('plan ')
        words = NO_RECORD.format(plan=plan, file=f'{FILES}/nbs/experiments/plans/{plan}.yaml')
        return notice('warning', 'no-record', 'No record yet', [words, found])
    made, old = run_facts(value.parent), nbformat.read(value, as_version=4)
    folder = value.parent.relative_to(OUTPUTS)
    facts = ', '.join(made[k] for k in ('data', 'device', 'day') if made.get(k))
    commit = f', commit `{made["commit"]}`' if made.get('commit') else ''
    links = [f'[the executed notebook]({FILES}/{name_of(value)})']
    if (value.parent/'run.json').is_file(): links.append(f'[its numbers]({FILES}/{name_of(value.parent)}/run.json)')
    links.append(f'[the notebook as it is now]({FILES}/{name_of(file)})')
    group = group_link(folder.parts[0])
    changed = code_of(old) != code_of(nbformat.read(file, as_version=4))
    return notice('note', 'record-shown', f'The committed record {folder}', [
        f'{facts}{commit}: {", ".join(links)}. All records beside it: {group}.', MIXED if changed else '', found])

def report_line(file, source, titles, findings):
    "What stands below the title of a report: its experiment, the records beside it, the findings."
    made = f'A record of {link(source, titles[source])}. ' if source in titles else ''
    beside = f'All records beside it: {group_link(group_of(file))}.'
    return f'```{{container}} questions\n{made}{beside} {found_by(file.parent, None, findings)}\n```'

def titled(nb, file):
    "An executed notebook with the title and the purpose that its notebook has now, for one name has one thing."
    head = nbformat.read(file, as_version=4).cells[0].source
    lines = [m[0] for p in (r'\A# .+', r'^> .+') if (m := re.search(p, head, re.M))]
    rest = re.sub(r'\A# .*|^> .*\n?', '', nb.cells[0].source, flags=re.M)
    rest = AS_COMMITTED.sub(lambda m: 'How it is run:' if m[0].rstrip().endswith(':') else '', rest)
    paragraphs = [p for p in rest.split('\n\n') if p.strip()]
    nb.cells[0].source = '\n\n'.join([*lines, *(p.strip('\n') for p in paragraphs)])

def sections(nb):
    "The cells of a notebook, with markdown cut before each heading."
    for c in nb.cells:
        texts = HEADING.split(c.source) if c.cell_type == 'markdown' and '```' not in c.source else [c.source]
        if len(texts) == 1: yield c
        else: yield from (new_markdown_cell(t) for t in texts if t.strip())

def slug(text): return 'finding-' + re.sub(r'\W+', '-', text.lower()).strip('-')

def folders(cell):
    "The folders of outputs/ that a cell of the findings reads, and the experiments that its words link to."
    if cell.cell_type == 'code': return [OUTPUTS/'/'.join(filter(None, m)) for m in NAMED.findall(cell.source)]
    linked = re.findall(r'\]\(((?:experiments|\.\./outputs)/[^)\s#]+)\)', FENCED.sub('', cell.source))
    files = [(NBS/name).resolve() for name in linked]
    return [f if f.suffix == '.ipynb' and NBS in f.parents else f.parent for f in files]

def read_findings():
    "Folder of outputs/, or notebook of an experiment -> links to the findings that rest on it."
    found, heading = {}, None
    if not RESULTS.exists(): return found
    for c in sections(nbformat.read(RESULTS, as_version=4)):
        if m := re.match(r'##+ (.+)', c.source) if c.cell_type == 'markdown' else None: heading = m[1]
        for folder in folders(c) if heading else []:
            links = found.setdefault(folder, [])
            text = f'[{heading}](<#{slug(heading)}>)'
            if text not in links: links.append(text)
    return found

def with_evidence(nb, shown, titles):
    "The findings with a target at each heading and, at the end of each section, links to what it rests on."
    records, cells, rests = {f.parent: n for f, n in shown_records(shown).items()}, [], []
    readers = reading(shown)
    def close():
        "End a section."
        files = dict.fromkeys(f if f.suffix == '.ipynb' else records.get(f) for f in rests)
        groups = [g for g in dict.fromkeys(group_of(f/'run') for f in rests) if g and has_reports(g)]
        pages = [link(f, titles.get(f, f.stem)) for f in files if f and name_of(f) in targets]
        where = pages + [f'the records of {group_link(g)}' for g in groups]
        also = [link(f, titles[f]) for f, read in readers.items() if set(read) & set(groups)]
        lines = [f'*{words}:* {", ".join(links)}.' for words, links in (('Rests on', where), ('See also', also)) if links]
        if lines: cells.append(new_markdown_cell(' '.join(lines)))
        rests.clear()
    for c in sections(nb):
        if m := re.match(r'##+ (.+)', c.source) if c.cell_type == 'markdown' else None:
            close()
            c.source = f'({slug(m[1])})=\n{c.source}'
        rests.extend(folders(c))
        cells.append(c)
    close()
    nb.cells = cells
