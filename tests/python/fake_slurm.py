"""Stand-ins for sbatch, scancel, scontrol and sacct: what they are given is written down, what they say is in files."""
import os
import pathlib

SCRIPTS = {
    # refuses with an option that is called --nonsense, as the real one does
    'sbatch': """#!/bin/sh
here=$(dirname "$0")
for word; do case $word in *.sh) script=$word ;; esac; done
echo "$@" >> "$here/sbatch.calls"
if grep -q -e '^#SBATCH --nonsense' "$script"; then echo "sbatch: unrecognized option '--nonsense'" >&2; exit 1; fi
id=$((100 + $(wc -l < "$here/sbatch.calls")))
cp "$script" "$here/$id.sh"
echo $id
""",
    'scancel': '#!/bin/sh\necho "$@" >> "$(dirname "$0")/scancel.calls"\n[ ! -e "$(dirname "$0")/scancel.refuses" ]\n',
    'scontrol': """#!/bin/sh
here=$(dirname "$0")
case $1/$2 in
show/config) echo "MaxArraySize            = $(cat "$here/most")" ;;
show/job) [ -e "$here/$4.jobs" ] && cat "$here/$4.jobs" || { echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1; } ;;
requeue/*) echo "$@" >> "$here/requeue.calls" ;;
esac
""",
    'sacct': '#!/bin/sh\ncat "$(dirname "$0")/sacct.says" 2> /dev/null\n',
}


class FakeSlurm:
    def __init__(self, folder, most=1001):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        for name, text in SCRIPTS.items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)
        (self.folder / 'most').write_text(str(most))
        self.path = f'{self.folder}{os.pathsep}{os.environ["PATH"]}'

    def calls(self, what):
        path = self.folder / f'{what}.calls'
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def submitted(self):
        return {path.stem: path.read_text() for path in self.folder.glob('[0-9]*.sh')}

    def set_jobs(self, array, *lines):
        """What `scontrol show job -o` says of an array; nothing: it is forgotten."""
        (self.folder / f'{array}.jobs').write_text(''.join(f'JobId=1 ArrayJobId={array} {line} UserId=root(0)\n' for line in lines))
