# bash cuts words at `=` and `:`. So the line goes to jobplate as it is typed, with the part that bash replaces;
# what comes back is quoted.
_jobplate() {
    local candidate
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(JOBPLATE_COMPLETE=bash jobplate -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[=/:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _jobplate jobplate
