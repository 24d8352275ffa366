# What the pages' commands run in (test/doc.c): long jobs are cut to a few steps, and a server stands in the background
# on $PORT, instead of 8080, until the next one or the end of the page; it must answer, and end well.
set -euo pipefail
server=

stop_server() {
    [ -z "$server" ] && return
    kill "$server"
    wait "$server" || { cat serve.log; exit 1; }
    server=
}
trap stop_server EXIT

start_server() {
    stop_server
    case " $* " in *" --port "*) ;; *) set -- "$@" --port "$PORT" ;; esac
    command hone serve "$@" >serve.log 2>&1 &
    server=$!
    until curl -sf -o asked.json "http://127.0.0.1:$PORT/v1/completions" -d '{"prompt": "One", "max_tokens": 3}'; do
        kill -0 "$server" 2>/dev/null || { cat serve.log; exit 1; }
        sleep 0.05
    done
    grep -q '"finish_reason"' asked.json
}

# Arguments with the values of some options made no larger: `cut_down "--steps=3 --batch=2" ARGUMENT...`, to `small`.
cut_down() {
    local most=$1 option word last=
    shift
    small=()
    for word in "$@"; do
        for option in $most; do
            [ "$last" = "${option%%=*}" ] && [ "$word" -gt "${option#*=}" ] && word=${option#*=}
        done
        small+=("$word")
        last=$word
    done
}

hone() {
    case "$1" in
    serve) shift; start_server "$@"; return ;;
    train) cut_down "--steps=6 --warmup=1 --batch=2 --context=64" "$@"
           case " $* " in *" --batch "* | *.yaml*) ;; *) small+=(--batch 2 --context 64) ;; esac ;;
    data) cut_down "-n=300 --count=300" "$@" ;;
    *) small=("$@") ;;
    esac
    command hone "${small[@]}"
}
