"""The kernels of kernels/cuda as their compiler sees them, for scripts/kernel_resources.py and scripts/compiled_code.py: tools, sources, plain names."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

ARCHITECTURES = ("80", "90", "90a")
TOOLS = ("build/nvdisasm/bin", "/usr/local/cuda/bin")  # searched after PATH; the first is where scripts/fetch_nvdisasm.sh puts what the toolkit lacks


def run(*command, **options):
    """What the command prints; ends the script with one line and the command's own words if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: {' '.join(map(str, command))} failed:\n{done.stderr or done.stdout}")
    return done.stdout + done.stderr


def tool(name):
    """The whole path of a program of the CUDA toolkit, or None."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *TOOLS]))
    return found and os.path.abspath(found)


def check_architecture(arch):
    if arch not in ARCHITECTURES:
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: architecture {arch} is none of {', '.join(ARCHITECTURES)}")


def all_sources():
    return sorted(pathlib.Path("kernels/cuda").glob("*.cu"))


def compile_cubin(source, arch, cubin, *options):
    """Compiles as the build does; the compiler's words."""
    return run(tool("nvcc") or "nvcc", "-std=c++20", "--expt-relaxed-constexpr", "-O3", "-I.", "-gencode", f"arch=compute_{arch},code=sm_{arch}", "-cubin", *options,
               "-o", str(cubin), str(source))


def of_each(work, items):
    """work(item) of every item, on all processors, in the order of the items."""
    with concurrent.futures.ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)))) as pool:
        return list(pool.map(work, items))


def plain_names(mangled):
    """Mangled name -> kernel<arguments>, without what every name of ours has: attune's namespaces, the type of enumerators, parameters."""
    mangled = list(mangled)
    names = {}
    for key, name in zip(mangled, run("c++filt", input="\n".join(mangled)).splitlines()):
        name = re.sub(r"^void |\(attune::kernels::Activation\)|attune::(kernels::)?|\(anonymous namespace\)::", "", name)
        names[key] = name[: name.index("(")] if "(" in name else name
    return names
