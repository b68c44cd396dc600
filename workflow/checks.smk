# Asked before the first job is sent, not in a dry run: does SLURM have what the runs ask for?
# The Snakefile's `onstart` calls it: of several, Snakemake keeps the last one alone.
import shutil
import subprocess

SBATCH = {'gpu': 'gpus', 'nodes': 'nodes', 'mem_mb': 'mem', 'runtime': 'time',
          'slurm_partition': 'partition', 'slurm_account': 'account'}


def sbatch_options(job):
    "What a job asks SLURM for."
    asked = {name: job.resources.get(name) for name in SBATCH}
    return tuple(f'--{SBATCH[name]}={value}' for name, value in asked.items() if value)


def said_by(*command):
    "Status and output of a command of SLURM, in at most a minute."
    try: said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired: return 1, f'{command[0]}: no answer within a minute'
    return said.returncode, (said.stdout + said.stderr).strip()


def check_slurm(jobs):
    "Raise WorkflowError, naming a run, for what no node of the cluster has."
    jobs = [job for job in jobs if not job.is_local]
    if not shutil.which('sbatch'):
        raise WorkflowError('the profile slurm needs a cluster, and there is no sbatch here. Go to '
                            'its login node, or take --profile workflow/profiles/local')
    for options, job in {sbatch_options(job): job for job in jobs}.items():
        status, said = said_by('sbatch', '--test-only', *options, '--wrap=true')
        if not status: continue
        _, there = said_by('sinfo', '--format=%P %D nodes, %c CPUs, %m MB, %G, %l')
        name = job.output[0] if job.output else job.name
        raise WorkflowError(f'SLURM cannot run {name} with {" ".join(options)}: {said}\n'
                            f'The partitions have:\n{there}\nAsk for less in the plan, or set '
                            'slurm_partition in workflow/profiles/slurm/config.yaml')
