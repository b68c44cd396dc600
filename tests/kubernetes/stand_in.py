"""A stand-in for the API server of Kubernetes: pods are processes of this machine.

It knows the calls of Snakemake's executor and no others, and refuses what a server would refuse:
GPUs without a limit. A pod gets a new working folder, and the environment of its image, which is
the one of this process."""
import json
import os
import re
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

GPU = 'nvidia.com/gpu'
SECRETS, PODS = '/api/v1/namespaces/default/secrets', '/api/v1/namespaces/default/pods'
JOBS = '/apis/batch/v1/namespaces/default/jobs'
KUBECONFIG = '''\
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: me, user: {{token: none}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
'''


class Pod:
    "A job's only pod."
    def __init__(self, name, container, folder, env):
        self.name, self.container, self.folder = name, container, folder/name
        self.folder.mkdir(parents=True)
        self.log = self.folder.with_suffix('.log')
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen([*container['command'], *container['args']], env=env,
                                            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)

    def kill(self):
        "As when a node is lost: everything of the pod, at once."
        try: os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError: pass
        self.process.wait(10)

    def status(self):
        "That of its container."
        code = self.process.poll()
        state = {'running': {}} if code is None else {'terminated': {'exitCode': abs(code)}}
        return {'name': 'snakemake', 'image': self.container['image'], 'imageID': '', 'ready': True,
                'restartCount': 0, 'state': state}


class Server(ThreadingHTTPServer):
    "Listens on a port of its own; `pods` holds every pod that was ever asked for, by its job."
    daemon_threads = True

    def __init__(self, folder, env):
        super().__init__(('127.0.0.1', 0), Handler)
        self.folder, self.env, self.pods = Path(folder), env, {}
        self.secrets, self.unknown = set(), []
        config = self.folder/'kubeconfig'
        config.write_text(KUBECONFIG.format(port=self.server_port))
        self.env = {**env, 'KUBECONFIG': str(config)}

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        for pod in self.pods.values(): pod.kill()
        self.server_close()


def refused(container):
    "Why a server would refuse a container; '' when it would not."
    resources = container['resources']
    gpus, limit = (resources.get(part, {}).get(GPU) for part in ('requests', 'limits'))
    if gpus == limit: return ''
    return f'{GPU}: Limit must be set for non overcommitable resources'


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_): pass

    def answer(self, body, code=200):
        "Send JSON."
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def fail(self, code, message):
        self.answer({'kind': 'Status', 'status': 'Failure', 'message': message, 'code': code}, code)

    def parts(self):
        "Path, and what is asked for behind it."
        url = urlparse(self.path)
        return url.path, parse_qs(url.query)

    def do_POST(self):
        path, _ = self.parts()
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        name = body['metadata']['name']
        if path == SECRETS: self.server.secrets.add(name)
        elif path == JOBS:
            container = body['spec']['template']['spec']['containers'][0]
            if refused(container): return self.fail(422, refused(container))
            pod = Pod(name, container, self.server.folder/'pods', self.server.env)
            self.server.pods[name] = pod
        else: return self.lost()
        self.answer(body, 201)

    def lost(self):
        self.server.unknown.append(self.path)
        self.fail(404, 'not found')

    def do_GET(self):
        path, asked = self.parts()
        job = re.fullmatch(f'{JOBS}/([^/]+)/status', path)
        log = re.fullmatch(f'{PODS}/([^/]+)/log', path)
        if job: self.job(job[1])
        elif path == PODS: self.list_pods(asked['labelSelector'][0].removeprefix('job-name='))
        # a container that was never started a second time has no log of a first time
        elif log: self.fail(400, 'previous terminated container "snakemake" not found')
        else: self.lost()

    def job(self, name):
        code = self.server.pods[name].process.poll()
        status = {} if code is None else {'failed' if code else 'succeeded': 1}
        self.answer({'kind': 'Job', 'metadata': {'name': name}, 'status': status})

    def list_pods(self, name):
        pod = self.server.pods[name]
        spec = {'containers': [pod.container]}
        item = {'metadata': {'name': name}, 'spec': spec,
                'status': {'containerStatuses': [pod.status()]}}
        self.answer({'kind': 'PodList', 'items': [item]})

    def do_DELETE(self):
        path, _ = self.parts()
        name = path.rpartition('/')[2]
        if name in self.server.pods: self.server.pods[name].kill()
        self.server.secrets.discard(name)
        self.answer({'kind': 'Status', 'status': 'Success'})
