# Builds, tests, shows, measures and packs LowRankTraining on Windows, with TorchSharp from NuGet. Works in Windows PowerShell 5 and in PowerShell 7.
# The arguments are read from $args: a parameter block would take -p:... for one of its own.
$ErrorActionPreference = 'Stop'
$root = $PSScriptRoot
$logs = Join-Path $root 'artifacts/logs'

function Show-Usage {
    Write-Host @'
Usage: .\build.ps1 COMMAND [ARGUMENTS]

  build                 build everything (Release)
  test   [ARGS]         build and run every test; ARGS go to dotnet test (--filter NAME)
  demo   [ARGS]         train a small language model by six methods and compare them; ARGS go to samples/Compare
  bench  [NAME] [ARGS]  run the benchmarks, or those whose name contains NAME
  bench  tables         write the tables and the picture of the comparison from benchmarks/results
  bench  check-claims   compare the numbers on the pages with benchmarks/results, and measure the cheap ones again
  bench  figures        measure what the library promises; also writes artifacts/figures.json
  fuzz   [INPUTS]       read INPUTS damaged files (default 100000) of each kind; test reads 300
  soak   [STEPS]        train STEPS steps (default 200000) by each of five methods: nothing may grow
  collect [SECONDS]     train so long (default 5) by every method while another thread only collects garbage: every bit must stay
  large  [BILLIONS]     save and load a tensor of so many times 2^30 numbers (default 1.2; 2.4 GB)
  kill   [TIMES]        kill a training program TIMES times (default 1000) while it saves: nothing may be lost
  pack                  make and check the NuGet packages
  docs                  make the site with the API reference: artifacts/site

  -p:TorchBackend=cpu|cuda-windows   with any command: the libtorch of the programs (default cpu)

Plain dotnet build, dotnet test and dotnet run do the same without set-up.
'@
}

function Stop-Build([string] $text) {
    [Console]::Error.WriteLine($text)
    exit 1
}

# One line a stage, the whole output in a log, the end of the log when the stage fails.
function Invoke-Stage([string] $name, [string] $text, [string[]] $arguments) {
    New-Item -ItemType Directory -Force $logs | Out-Null
    $log = Join-Path $logs "$name.log"
    $clock = [Diagnostics.Stopwatch]::StartNew()
    Write-Host ('  {0,-58} ' -f $text) -NoNewline
    & dotnet @arguments > $log
    if ($LASTEXITCODE -ne 0) {
        Write-Host 'failed'
        Get-Content $log -Tail 40 | Write-Host
        Stop-Build "${text}: failed. The whole output is in artifacts/logs/$name.log."
    }
    Write-Host ('ok  {0,3:0} s' -f $clock.Elapsed.TotalSeconds)
}

function Assert-Sdk {
    $sdks = @()
    if (Get-Command dotnet -ErrorAction SilentlyContinue) { $sdks = @(& dotnet --list-sdks) }
    if (-not ($sdks | Where-Object { [int]($_ -split '\.')[0] -ge 10 })) {
        Stop-Build 'This needs the .NET SDK 10 or newer: install it from https://dotnet.microsoft.com/download/dotnet/10.0 and run this command again.'
    }
    $env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
    $env:DOTNET_NOLOGO = '1'
    $env:DOTNET_CLI_UI_LANGUAGE = 'en'
}

# The packages of a project, or one sentence that says which is missing and why.
function Restore-Packages([string] $project) {
    New-Item -ItemType Directory -Force $logs | Out-Null
    $log = Join-Path $logs 'restore.log'
    & dotnet restore (Join-Path $root $project) -v minimal @backend > $log
    if ($LASTEXITCODE -eq 0) { return }
    $reason = 'the whole output is in artifacts/logs/restore.log.'
    $line = Get-Content $log | Where-Object { $_ -match 'error ([A-Z]+[0-9]+): ' } | Select-Object -First 1
    if ($line -and $line -match 'error ([A-Z]+[0-9]+): (.*)$') { $reason = ($Matches[2] -replace ' \[[^\]]*(proj|sln)\]', '') + " ($($Matches[1]))" }
    Stop-Build "Packages could not be restored: $reason"
}

function Build-Project([string] $name, [string] $text, [string] $project, [string[]] $more = @()) {
    Restore-Packages $project
    Invoke-Stage $name $text (@('build', (Join-Path $root $project), '-c', 'Release', '--no-restore', '--nologo', '-v', 'minimal') + $backend + $more)
}

function Get-Counter([xml] $trx, [string] $name) { [int] $trx.SelectSingleNode("//*[local-name()='Counters']").GetAttribute($name) }

# Ends with the line `N passed, N failed` (and `, N skipped` when there are any).
function Invoke-Tests([string[]] $arguments) {
    $results = Join-Path $root 'artifacts/test-results'
    if (Test-Path $results) { Remove-Item $results -Recurse -Force }
    $passed = 0; $failed = 0; $skipped = 0
    foreach ($project in Get-ChildItem (Join-Path $root 'tests/*/*.csproj')) {
        if (Select-String -Path $project -SimpleMatch '<IsTestProject>false</IsTestProject>' -Quiet) { continue }
        $name = $project.BaseName
        Write-Host $name
        & dotnet test $project.FullName -c Release --no-build --nologo -v quiet --results-directory $results `
            --logger "trx;LogFileName=$name.trx" --logger 'console;verbosity=minimal' @arguments | Out-Host
        $status = $LASTEXITCODE

        $total = 0; $failedHere = 0
        $file = Join-Path $results "$name.trx"
        if (Test-Path $file) {
            $trx = [xml](Get-Content $file -Raw)
            $total = Get-Counter $trx 'total'
            $failedHere = Get-Counter $trx 'failed'
            $passed += Get-Counter $trx 'passed'
            $skipped += $total - (Get-Counter $trx 'executed')
        }
        $failed += $failedHere
        if ($status -ne 0 -and $failedHere -eq 0) {
            $failed++
            Write-Host "$name did not run to its end (exit code $status); it counts as one failure."
        }
        elseif ($total -eq 0 -and $arguments.Count -eq 0) {
            $failed++
            Write-Host "$name ran no test; it counts as one failure."
        }
    }
    if ($passed + $failed -eq 0) {
        $failed = 1
        Write-Host 'No test ran at all; that counts as one failure.'
    }
    $skippedText = if ($skipped) { ", $skipped skipped" } else { '' }
    Write-Host "$passed passed, $failed failed$skippedText"
    if ($failed) { exit 1 }
}

function Invoke-Demo([string[]] $arguments) {
    $report = Join-Path $root 'artifacts/demo/report.html'
    if ($arguments.Count -eq 0) { $arguments = '--demo', '--out', (Split-Path $report) }
    Build-Project 'demo-build' 'Building the comparison (Release)' 'samples/Compare'
    & dotnet run --project (Join-Path $root 'samples/Compare') -c Release --no-build @backend -- @arguments
    $status = $LASTEXITCODE
    if (Test-Path $report) { Write-Host 'Report: artifacts/demo/report.html' }
    exit $status
}

function Invoke-Bench([string[]] $arguments) {
    $project = 'benchmarks/LowRankTraining.Benchmarks'
    if ($arguments.Count -eq 0) { $arguments = '--filter', '*' }
    elseif ($arguments[0] -in 'tables', 'check-claims') { $arguments = @($arguments[0], $root) }
    elseif ($arguments[0] -eq 'memory') { }
    elseif ($arguments[0] -eq 'figures') { $arguments = @('figures', '--out', (Join-Path $root 'artifacts/figures.json')) + @($arguments | Select-Object -Skip 1) }
    elseif (-not $arguments[0].StartsWith('-')) { $arguments = @('--filter', "*$($arguments[0])*") + @($arguments | Select-Object -Skip 1) }
    Build-Project 'bench-build' 'Building the benchmarks (Release)' $project
    & dotnet run --project (Join-Path $root $project) -c Release --no-build @backend -- @arguments
    exit $LASTEXITCODE
}

# One of the long trials of the benchmarks' program.
function Invoke-Endurance([string[]] $arguments) {
    $project = 'benchmarks/LowRankTraining.Benchmarks'
    Build-Project 'bench-build' 'Building the benchmarks (Release)' $project
    & dotnet run --project (Join-Path $root $project) -c Release --no-build @backend -- @arguments
    exit $LASTEXITCODE
}

function Invoke-Fuzz([string[]] $arguments) {
    $project = 'tests/LowRankTraining.Tests'
    Build-Project 'fuzz-build' 'Building the tests (Release)' $project
    $env:LRT_FUZZ_INPUTS = if ($arguments.Count) { $arguments[0] } else { '100000' }
    & dotnet test (Join-Path $root $project) -c Release --no-build --nologo --filter 'FullyQualifiedName~FuzzTests'
    exit $LASTEXITCODE
}

# The site is made from the pages of docs, and from what the compiled libraries say about themselves; any warning, such as a dead link, ends it.
function Invoke-Docs {
    $assemblies = Join-Path $root 'artifacts/docs/assemblies'
    Build-Project 'docs-build' 'Building what is documented (Release)' 'samples/Hosting'
    Build-Project 'docs-build-mpi' 'Building the package for several processes' 'src/LowRankTraining.Mpi' @('-p:CopyLocalLockFileAssemblies=true')
    foreach ($old in 'artifacts/site', 'docs/api', 'artifacts/docs') { if (Test-Path (Join-Path $root $old)) { Remove-Item (Join-Path $root $old) -Recurse -Force } }
    New-Item -ItemType Directory -Force $assemblies | Out-Null
    Copy-Item (Join-Path $root 'artifacts/bin/Hosting/release/*') $assemblies -Include '*.dll', 'LowRankTraining*.xml'
    Copy-Item (Join-Path $root 'artifacts/bin/LowRankTraining.Mpi/release_net10.0/*') $assemblies -Include 'MPI.dll', '*Mpi.dll', '*Mpi.xml'
    Push-Location $root
    try {
        Invoke-Stage 'docs-tool' 'Restoring docfx' @('tool', 'restore', '--tool-manifest', (Join-Path $root '.config/dotnet-tools.json'))
        Invoke-Stage 'docs' 'Making the site' @('docfx', 'docs/docfx.json', '--warningsAsErrors')
    }
    finally { Pop-Location }
    Write-Host 'Site: artifacts/site/index.html (dotnet docfx serve artifacts/site shows it)'
}

function Invoke-Pack {
    $packages = Join-Path $root 'artifacts/packages'
    if (Test-Path $packages) { Remove-Item $packages -Recurse -Force }
    foreach ($project in Get-ChildItem (Join-Path $root 'src/*/*.csproj')) {
        Invoke-Stage "pack-$($project.BaseName)" "Packing $($project.BaseName)" `
            @('pack', $project.FullName, '-c', 'Release', '--nologo', '-o', $packages, '-p:ContinuousIntegrationBuild=true')
    }
    Invoke-Stage 'pack-check' 'Checking what is in the packages' @('run', '--file', (Join-Path $root '.ci/build/CheckPackage.cs'), '--', $packages)
    Get-ChildItem $packages | ForEach-Object { Write-Host "artifacts/packages/$($_.Name)" }
}

# The backend belongs to the build, the other arguments to what runs. PowerShell hands -p:NAME over in two words.
$backend = @()
$words = @()
$text = ($args | ForEach-Object { [string] $_ }) -join "`n" -replace '(?m)^-p:?\n(?=TorchBackend=)', '-p:'
foreach ($word in $text -split "`n") {
    if ($word -match '^-p:TorchBackend=') { $backend = @($word) } elseif ($word) { $words += $word }
}
if ($words.Count -eq 0) { Show-Usage; exit 2 }
$command = $words[0]
$rest = @($words | Select-Object -Skip 1)

switch ($command) {
    'build' { Assert-Sdk; Build-Project 'build' 'Building (Release)' 'LowRankTraining.sln' }
    'test' { Assert-Sdk; Build-Project 'build' 'Building (Release)' 'LowRankTraining.sln'; Invoke-Tests $rest }
    'demo' { Assert-Sdk; Invoke-Demo $rest }
    'bench' { Assert-Sdk; Invoke-Bench $rest }
    'fuzz' { Assert-Sdk; Invoke-Fuzz $rest }
    { $_ -in 'soak', 'collect', 'kill', 'large' } { Assert-Sdk; Invoke-Endurance $words }
    'pack' { Assert-Sdk; Invoke-Pack }
    'docs' { Assert-Sdk; Invoke-Docs }
    default { Show-Usage; Stop-Build "Unknown command '$command'." }
}
