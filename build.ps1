# Builds, tests, shows, measures and packs LowRankTraining on Windows, with TorchSharp from NuGet. Works in Windows PowerShell 5 and in PowerShell 7.
# The arguments are read from $args: a parameter block would take -p:... for one of its own.
$ErrorActionPreference = 'Stop'
$root = $PSScriptRoot
$logs = Join-Path $root 'artifacts/logs'
$choice = Join-Path $root 'TorchSharpProvider.props'

function Show-Usage {
    Write-Host @'
Usage: .\build.ps1 COMMAND [ARGUMENTS]

  setup                 check the SDK and choose the package's libtorch, once
  test   [ARGS]         build and run every test; ARGS go to dotnet test (--filter NAME)
  demo   [ARGS]         train a small language model by six methods and compare them; ARGS go to samples/Compare
  bench  [NAME] [ARGS]  run the benchmarks, or those whose name contains NAME
  bench  figures        measure what the library promises; also writes artifacts/figures.json
  pack                  make and check the NuGet package
  verify-api            compile everything against the whole public surface of the real TorchSharp

  -p:TorchBackend=cpu|cuda-windows   with any command: the package's libtorch
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

function Get-Recorded([string] $property) {
    if (-not (Test-Path $choice)) { return '' }
    $found = ([xml](Get-Content $choice -Raw)).SelectSingleNode("//$property")
    if ($found) { return $found.InnerText } else { return '' }
}

function Initialize-Build([string] $backend) {
    $sdks = @()
    if (Get-Command dotnet -ErrorAction SilentlyContinue) { $sdks = @(& dotnet --list-sdks) }
    if (-not ($sdks | Where-Object { [int]($_ -split '\.')[0] -ge 10 })) {
        Stop-Build "This needs the .NET SDK 10 or newer.`nInstall it from https://dotnet.microsoft.com/download/dotnet/10.0 and run this command again."
    }
    $env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
    $env:DOTNET_NOLOGO = '1'

    if (-not $backend) { $backend = $env:TorchBackend }
    if (-not $backend) { $backend = Get-Recorded 'TorchBackend' }
    if (-not $backend) { $backend = 'cpu' }
    if ('cpu', 'cuda-linux', 'cuda-windows' -notcontains $backend) { Stop-Build "TorchBackend is '$backend'; it must be 'cpu', 'cuda-linux' or 'cuda-windows'." }
    if ((Get-Recorded 'TorchSharpProvider') -eq 'package' -and (Get-Recorded 'TorchBackend') -eq $backend) { return }

    Set-Content -Path $choice -Encoding UTF8 -Value @"
<Project>
  <!-- Written by the set-up and not kept in git: what this machine builds with. A value given on the command line wins. -->
  <PropertyGroup>
    <TorchSharpProvider Condition="'`$(TorchSharpProvider)' == ''">package</TorchSharpProvider>
    <TorchBackend Condition="'`$(TorchBackend)' == ''">$backend</TorchBackend>
  </PropertyGroup>
</Project>
"@
    Write-Host "  TorchSharp comes from the NuGet package, with TorchSharp-$backend."
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
    $project = Join-Path $root 'samples/Compare'
    $report = Join-Path $root 'artifacts/demo/report.html'
    if ($arguments.Count -eq 0) { $arguments = '--demo', '--out', (Split-Path $report) }
    Invoke-Stage 'demo-build' 'Building the comparison (Release)' @('build', $project, '-c', 'Release', '--nologo', '-v', 'minimal')
    & dotnet run --project $project -c Release --no-build -- @arguments
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
    if (Test-Path $report) { Write-Host 'Report: artifacts/demo/report.html' }
}

function Invoke-Bench([string[]] $arguments) {
    $project = Join-Path $root 'benchmarks/LowRankTraining.Benchmarks'
    if ($arguments.Count -eq 0) { $arguments = '--filter', '*' }
    elseif ($arguments[0] -eq 'figures') { $arguments = @('figures', '--out', (Join-Path $root 'artifacts/figures.json')) + @($arguments | Select-Object -Skip 1) }
    elseif (-not $arguments[0].StartsWith('-')) { $arguments = @('--filter', "*$($arguments[0])*") + @($arguments | Select-Object -Skip 1) }
    Invoke-Stage 'bench-build' 'Building the benchmarks (Release)' @('build', $project, '-c', 'Release', '--nologo', '-v', 'minimal')
    & dotnet run --project $project -c Release --no-build -- @arguments
    exit $LASTEXITCODE
}

function Invoke-Pack {
    $packages = Join-Path $root 'artifacts/packages'
    if (Test-Path $packages) { Remove-Item $packages -Recurse -Force }
    Invoke-Stage 'pack' 'Packing (Release)' @('pack', (Join-Path $root 'src/LowRankTraining'), '-c', 'Release', '--nologo', '-o', $packages, '-p:ContinuousIntegrationBuild=true')
    Invoke-Stage 'pack-check' 'Checking what is in the package' @('run', '--file', (Join-Path $root '.ci/build/CheckPackage.cs'), '--', $packages)
    Get-ChildItem $packages | ForEach-Object { Write-Host "artifacts/packages/$($_.Name)" }
}

function Invoke-VerifyApi {
    $stubs = Join-Path $root 'artifacts/verify-api/stubs'
    Invoke-Stage 'stubs' 'Writing the real public surface as source' @('run', '--project', (Join-Path $root 'tests/TorchSharp.ApiStubs'), '-c', 'Release', '--', $stubs)
    Invoke-Stage 'stubs-build' 'Compiling it to an assembly TorchSharp' @('build', (Join-Path $stubs 'TorchSharp.csproj'), '-c', 'Release', '--nologo', '-v', 'minimal')
    Invoke-Stage 'verify-api' 'Compiling everything against it' @('build', (Join-Path $root 'LowRankTraining.sln'), '-c', 'Release', '--nologo', '-v', 'minimal',
        "-p:TorchSharpReference=$(Join-Path $stubs 'bin/TorchSharp.dll')", "-p:ArtifactsPath=$(Join-Path $root 'artifacts/verify-api')", '-p:RunAnalyzers=false')
}

$backend = ''
$words = @()
foreach ($word in $args) {
    if ($word -match '^-p:TorchBackend=(.*)$') { $backend = $Matches[1] }
    elseif ($word -match '^-p:TorchSharpProvider=(.*)$') {
        if ($Matches[1] -ne 'package') { Stop-Build "TorchSharpProvider '$($Matches[1])': on Windows only 'package' is there." }
    }
    else { $words += $word }
}
if ($words.Count -eq 0) { Show-Usage; exit 2 }
$command = $words[0]
$rest = @($words | Select-Object -Skip 1)

switch ($command) {
    'setup' { Initialize-Build $backend; Write-Host 'Ready: dotnet build, test and run work from here.' }
    'test' {
        Initialize-Build $backend
        Invoke-Stage 'build' 'Building (Release)' @('build', (Join-Path $root 'LowRankTraining.sln'), '-c', 'Release', '--nologo', '-v', 'minimal')
        Invoke-Tests $rest
    }
    'demo' { Initialize-Build $backend; Invoke-Demo $rest }
    'bench' { Initialize-Build $backend; Invoke-Bench $rest }
    'pack' { Initialize-Build $backend; Invoke-Pack }
    'verify-api' { Initialize-Build $backend; Invoke-VerifyApi }
    default { Show-Usage; Stop-Build "Unknown command '$command'." }
}
