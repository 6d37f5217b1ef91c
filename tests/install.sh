# What the scripts beside this one need, from Debian's packages and from PyPI; to be sourced.

# programs COMMAND=PACKAGE...: installs the packages of the commands that are not there.
programs() {
  local one missing=()
  for one in "$@"; do
    command -v "${one%%=*}" >/dev/null || missing+=("${one#*=}")
  done
  debian "${missing[@]}"
}

# debian PACKAGE...: installs those. A server among them would start as a service, on a port of its own.
debian() {
  [ $# -gt 0 ] || return 0
  echo "installing $*"
  apt-get update -q >/dev/null
  RUNLEVEL=1 apt-get install -q -y --no-install-recommends "$@" >/dev/null
}

# venv FOLDER MODULES REQUIREMENT...: makes a virtual environment whose Python can import the modules
# ("a, b"), if it is not there.
venv() {
  local folder=$1 modules=$2
  shift 2
  if "$folder/bin/python" -c "import $modules" 2>/dev/null; then
    return
  fi
  if ! python3 -m venv --clear "$folder" 2>/dev/null; then
    debian python3-venv
    python3 -m venv --clear "$folder"
  fi
  "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
}
