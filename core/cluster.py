"""Work on the workers of a Ray cluster: parts in order, and objects that stay. The only user of ray.

What workers do is given as a *recipe*: a picklable call without arguments. A worker follows it once, keeps what it
made and uses it for everything that comes: a model is loaded once a worker, not once a part. Ray decides which worker
does what, notices lost ones, and starts their work again.
"""

import os
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from core.config import ROOT, InputError

Part = TypeVar("Part")
Result = TypeVar("Result")
Recipe = Callable[[], Callable[[Part], Result]]

LOCAL, AUTO, CLIENT = "local", "auto", "ray://"
EXPECTED = "expected local (a cluster on this machine), auto, HOST:PORT or ray://HOST:PORT"
NOT_SENT = [".git/", "tests/", ".hypothesis/", ".pytest_cache/"]
"""What workers on other machines do without; everything else of the project is sent to them."""

SHORT = Path("/tmp")
"""Where a cluster on this machine has its sockets: their paths may have 107 characters, with 60 of Ray's own."""

AHEAD = 2
"""Parts under way or waiting to be taken for each worker: none of them waits for the next part to be handed out."""
RETRIES = 5
"""Times that a part is begun again because its worker was lost."""
PATIENCE = 10.0
"""Seconds in which a cluster must answer, and in which Ray must have noticed a lost worker that others complain of."""


class WorkerLost(InputError):
    """A worker ended while it held something that the others depend on, or over and over."""


@contextmanager
def cluster_at(address: str, workers: int | None = None) -> Iterator["Cluster"]:
    """The Ray cluster at an address, left (and ended, where it was started here) with the context.

    Parameters
    ----------
    address : "local" starts a cluster on this machine and ends it afterwards; "auto" finds the one this machine
        belongs to; HOST:PORT and ray://HOST:PORT name one.
    workers : how many work at once; None: one for each processor of the cluster.

    InputError where Ray is not installed, the address has another form, or nothing answers there.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers was {workers}; expected at least 1")
    if address not in (LOCAL, AUTO):
        _require_answer(address, address.removeprefix(CLIENT))
    ray = _ray()
    folder = tempfile.mkdtemp(prefix="ray-", dir=SHORT if SHORT.is_dir() else None) if address == LOCAL else None
    try:
        _connect(ray, address, workers, folder)
        yield Cluster(ray, workers)
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _ray() -> Any:
    """The library, silent about itself and to its makers; InputError where it is missing."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_IGNORE_UNHANDLED_ERRORS"] = "1"  # parts that were given up have nothing more to say
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # no call may start a cluster that nobody ends
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it announces a change of this at each start
    try:
        import ray
    except ImportError:
        raise InputError('--ray needs Ray, which is not installed; pip install "ray[default]"') from None
    if ray.is_initialized():
        raise InputError("this process is connected to a Ray cluster already; end that work first")
    return ray


def _require_answer(address: str, where: str) -> None:
    """InputError unless something listens there: Ray itself would try for minutes."""
    host, _, port = where.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--ray was {address!r}; {EXPECTED}")
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--ray was {address!r}, where nothing answers ({error}); {EXPECTED}") from None


def _connect(ray: Any, address: str, workers: int | None, folder: str | None) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == LOCAL:
            ray.init(address, num_cpus=workers, include_dashboard=False, _temp_dir=folder, **quiet)
        else:
            ray.init(address, runtime_env={"working_dir": str(ROOT), "excludes": NOT_SENT}, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        hint = "" if address == LOCAL else "; a cluster that asks for a token needs RAY_AUTH_MODE=token"
        raise InputError(f"--ray was {address!r}, which cannot be used ({lines[0]}); {EXPECTED}{hint}") from None


class Cluster:
    """What may be asked of a cluster. Made by `cluster_at`."""

    def __init__(self, ray: Any, workers: int | None) -> None:
        self._ray = ray
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        processors = [int(machine.get("CPU", 0)) for machine in machines]
        gpus = sum(int(machine.get("GPU", 0)) for machine in machines)
        if (workers or 1) > sum(processors):
            raise InputError(f"--workers was {workers}; the cluster has {sum(processors)} processors: give fewer")
        self._workers, self._gpus = workers or sum(processors), min(workers or gpus, gpus)
        shares = range(1, max(processors) + 1)
        self._share = max(share for share in shares if sum(n // share for n in processors) >= self._workers)
        """Processors for each worker; there is room for all of them at once."""

    def at_once(self, gpu: bool = False) -> int:
        """How many workers there are at a time; with `gpu` those that have one each."""
        if gpu and not self._gpus:
            raise InputError(
                "Ray knows of no GPU in the cluster; give --device cpu, or start Ray on machines with GPUs"
            )
        return self._gpus if gpu else self._workers

    def map(self, recipe: Recipe, parts: Iterable[Part], gpu: bool = False) -> Iterator[Result]:
        """recipe()(part) of every part, in order, a bounded number of them under way.

        A part whose worker is lost is done again elsewhere, so that it must give the same result every time. `gpu`
        gives each worker one. What a part raises is raised here, and the rest is given up.
        """
        ray = self._ray
        sent = [ray.put(recipe)]  # in a list, so that it is fetched once a worker and not once a part
        most = AHEAD * self.at_once(gpu)
        broken = [ray.exceptions.RaySystemError]  # a worker that cannot even load what it is given
        work = ray.remote(_work).options(max_retries=RETRIES, retry_exceptions=broken, **self._needs(gpu))
        waiting: deque[Any] = deque()
        try:
            for part in parts:
                waiting.append(work.remote(sent, part))
                if len(waiting) >= most:
                    yield self._taken(waiting.popleft())
            while waiting:
                yield self._taken(waiting.popleft())
        finally:
            if ray.is_initialized():  # not where the work was given up together with the cluster
                for unfinished in waiting:
                    ray.cancel(unfinished)

    @contextmanager
    def holding(self, recipes: Sequence[Callable[[], Any]], gpu: bool = False, again: bool = True) -> Iterator["Held"]:
        """Objects that stay in workers of their own, one a recipe, until the context ends.

        Parameters
        ----------
        again : a question is asked again after the object of a lost worker was made anew, which is right for objects
            that never change. Otherwise `WorkerLost` is raised, and it is for the asker to begin again.
        """
        needs = self._needs(gpu)
        kept = {"max_restarts": RETRIES, "max_task_retries": RETRIES} if again else {"max_restarts": 0}
        make = self._ray.remote(_Keeper).options(**needs, **kept)
        actors = [make.remote() for _ in recipes]
        try:
            yield Held(self._ray, actors, [self._ray.put(recipe) for recipe in recipes])
        finally:
            for actor in actors:
                with suppress(Exception):  # the worker, or the whole cluster, may be gone already
                    self._ray.kill(actor)

    def _needs(self, gpu: bool) -> dict[str, float]:
        return {"num_cpus": 1, "num_gpus": 1} if gpu else {"num_cpus": self._share}

    def _taken(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise _raised(error) from None
        except self._ray.exceptions.RayError as error:
            raise WorkerLost(_given_up(error)) from None


class Held:
    """Objects in workers, asked all at once."""

    def __init__(self, ray: Any, actors: Sequence[Any], recipes: Sequence[Any]) -> None:
        self._ray, self._actors, self._recipes = ray, actors, recipes

    def __len__(self) -> int:
        return len(self._actors)

    def ask(self, method: str, *arguments: Any) -> list[Any]:
        """The answers of all of them to one question, in the order of the recipes."""
        return self.ask_each(method, [self._ray.put(arguments)] * len(self._actors))

    def ask_each(self, method: str, arguments: Sequence[tuple]) -> list[Any]:
        """Their answers, each to arguments of its own."""
        each = zip(self._actors, self._recipes, arguments, strict=True)
        return self._answers([actor.call.remote([recipe], method, given) for actor, recipe, given in each])

    def ask_one(self, which: int, method: str, *arguments: Any) -> Any:
        """The answer of one of them."""
        return self._answers([self._actors[which].call.remote([self._recipes[which]], method, arguments)])[0]

    def address(self) -> str:
        """Network address of the machine that the first of them is on."""
        return self._answers([self._actors[0].node.remote()])[0]

    def _answers(self, asked: list[Any]) -> list[Any]:
        """What was answered; raises what went wrong, and of a lost worker before what the others say about it."""
        ray, waiting, failed = self._ray, asked, None
        while waiting:
            done, waiting = ray.wait(waiting, timeout=PATIENCE if failed else None)
            try:
                ray.get(done)
            except ray.exceptions.RayActorError as error:
                raise WorkerLost(_given_up(error)) from None
            except ray.exceptions.RayTaskError as error:
                failed = failed or _raised(error)
            if failed is not None and (not done or isinstance(failed, InputError)):
                break
        if failed is not None:
            raise failed from None
        return ray.get(asked)


def _raised(error: Any) -> Exception:
    """What was raised in a worker; `WorkerLost` where Ray itself failed there, as in loading what it had to do."""
    import ray

    cause: Exception = error.cause or error
    return WorkerLost(_given_up(cause)) if isinstance(cause, ray.exceptions.RaySystemError) else cause


def _given_up(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return (
        f"a worker of the cluster was lost, also when it was tried again ({line}); look for trouble with memory there"
    )


# --- in the workers ---------------------------------------------------------------------------------------------

_made: dict[str, Callable[[Any], Any]] = {}
"""What this worker made of the last recipe, by the recipe's reference."""


def _work(recipe: list[Any], part: Any) -> Any:
    import ray

    key = recipe[0].hex()
    if key not in _made:
        _made.clear()
        _made[key] = ray.get(recipe[0])()
    return _made[key](part)


class _Keeper:
    """Holds one object in a worker; makes it when it is first asked, also after Ray has started the worker again."""

    def node(self) -> str:
        import ray

        return ray.util.get_node_ip_address()

    def call(self, recipe: list[Any], method: str, arguments: tuple) -> Any:
        import ray

        if not hasattr(self, "_held"):
            self._held = ray.get(recipe[0])()
        return getattr(self._held, method)(*arguments)
