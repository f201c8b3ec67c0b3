#compdef jobplate
_jobplate() {
    local line value entry
    local -a complete partial
    for line in "${(@f)$(JOBPLATE_COMPLETE=zsh jobplate -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        value=${line%%$'\t'*}
        # Quoted here and not by zsh, which would quote the tilde, too.
        entry=${(q)value}
        [[ $value == '~/'* ]] && entry='~/'${(q)value#'~/'}
        # As _describe reads it.
        entry=${${entry//\\/\\\\}//:/\\:}
        [[ $line == *$'\t'* ]] && entry+=":${line#*$'\t'}"
        case $value in
            '') ;;
            *[=/:]) partial+=("$entry") ;;
            *) complete+=("$entry") ;;
        esac
    done
    (( $#complete )) && _describe -V 'values' complete -Q
    (( $#partial )) && _describe -V 'values' partial -Q -S ''
    (( $#complete + $#partial ))
}
if [[ ${funcstack[1]} == _jobplate ]]; then
    # Loaded when Tab was pressed for the first time, and that wants an answer.
    _jobplate "$@"
else
    compdef _jobplate jobplate
fi
