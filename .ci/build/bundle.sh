# Everything that a Linux machine with PyTorch and without .NET needs to train, compare, measure and test.

bundle() {
    local name=lowranktraining-linux-x64 out="$root/artifacts/bundle" limit=60 folder program
    folder="$out/$name"
    rm -rf "$out"
    mkdir -p "$folder/app"

    publish pretrain samples/Pretrain "$folder/app" "$@"
    publish compare samples/Compare "$folder/app" "$@"
    publish benchmarks benchmarks/LowRankTraining.Benchmarks "$folder/app" "$@"
    publish conformance tests/LowRankTraining.Conformance.Runner "$folder/app" "$@"
    rm -r "$out/publish"

    for program in pretrain compare conformance; do starter "$folder" "$program" "$program"; done
    starter "$folder" benchmarks LowRankTraining.Benchmarks
    cp "$root/.ci/bundle/README.txt" "$root/LICENSE" "$folder/"
    default_text "$folder/dotnet"

    stage bundle-archive 'Packing it up' tar -C "$out" --sort=name --owner=0 --group=0 -cJf "$out/$name.tar.xz" "$name"
    local megabytes=$((($(stat -c %s "$out/$name.tar.xz") + 999999) / 1000000))
    say "artifacts/bundle/$name.tar.xz: $megabytes MB"
    [ "$megabytes" -le "$limit" ] || die "The bundle is larger than $limit MB. What takes the room:" "$(du -ah "$folder" | sort -rh | head -n 20)"
}

# publish NAME PROJECT FOLDER: adds a program. All share one folder, and so one runtime; a file that two of them bring must be the same file.
publish() {
    local name=$1 project=$2 folder=$3 own="$root/artifacts/bundle/publish/$1" file
    shift 3
    stage "bundle-$name" "Publishing $project" dotnet publish "$root/$project" -c Release -r linux-x64 --self-contained -o "$own" --nologo -v minimal \
        -p:TorchBackend=none -p:ContinuousIntegrationBuild=true "$@"
    (cd "$own" && find . -type f) | while read -r file; do
        if [ -e "$folder/$file" ] && ! cmp -s "$own/$file" "$folder/$file"; then die "$project brings a '$file' that differs from the one of a program before it."; fi
    done
    cp -r "$own/." "$folder/"
}

# starter FOLDER NAME PROGRAM: a script in FOLDER that starts app/PROGRAM.
starter() {
    sed "s/@PROGRAM@/$3/g" "$root/.ci/bundle/run.sh" > "$1/$2"
    chmod +x "$1/$2"
}

# default_text FOLDER: the documentation of the newest reference pack, where the samples look for it when DOTNET_ROOT is FOLDER.
default_text() {
    local sdk pack
    sdk=$(dirname "$(readlink -f "$(command -v dotnet)")")
    pack=$(cd "$sdk" && ls -d packs/Microsoft.NETCore.App.Ref/* | sort -V | tail -n 1)
    mkdir -p "$1"
    (cd "$sdk" && find "$pack/ref" -name '*.xml' | tar -cf - -T -) | tar -xf - -C "$1"
}
