# Runs the test projects one after the other and adds up their results.

# run_tests ARGS...: ends with the line `N passed, N failed` (and `, N skipped` when there are any).
run_tests() {
    local results="$root/artifacts/test-results" project name status counters passed=0 failed=0 skipped=0 broken=''
    rm -rf "$results"
    for project in "$root"/tests/*/*.csproj; do
        if ! is_test_project "$project"; then continue; fi
        name=$(basename "$project" .csproj)
        say "$name"
        status=0
        dotnet test "$project" -c Release --no-build --nologo -v quiet --results-directory "$results" \
            --logger "trx;LogFileName=$name.trx" --logger 'console;verbosity=minimal' "$@" < /dev/null || status=$?

        counters=$(grep -o '<Counters [^>]*>' "$results/$name.trx" 2> /dev/null || true)
        passed=$((passed + $(counter passed "$counters")))
        failed=$((failed + $(counter failed "$counters")))
        skipped=$((skipped + $(counter total "$counters") - $(counter executed "$counters")))

        if [ "$status" != 0 ] && [ "$(counter failed "$counters")" = 0 ]; then
            broken="$broken $name"
            failed=$((failed + 1))
            say "$name did not run to its end (exit code $status); it counts as one failure."
        elif [ "$(counter total "$counters")" = 0 ] && [ $# = 0 ]; then
            broken="$broken $name"
            failed=$((failed + 1))
            say "$name ran no test; it counts as one failure."
        fi
    done

    if [ $((passed + failed)) = 0 ]; then
        failed=1
        say 'No test ran at all; that counts as one failure.'
    fi
    if [ "$skipped" != 0 ]; then
        say "$passed passed, $failed failed, $skipped skipped"
    else
        say "$passed passed, $failed failed"
    fi
    [ "$failed" = 0 ]
}

# A console tool among the tests says so in its project file.
is_test_project() { ! grep -q '<IsTestProject>false</IsTestProject>' "$1"; }

# counter NAME TEXT: an attribute of a trx file's Counters element; 0 where there is none.
counter() {
    local value
    value=$(printf '%s' "$2" | sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p")
    printf '%s' "${value:-0}"
}
