@echo off
rem Starts the Image Storage Service on this machine, with its own AWS emulator unless AWS_ENDPOINT_URL is set.
rem
rem   startup.bat               install what is missing, serve on http://127.0.0.1:5000 until Ctrl-C
rem   startup.bat test [...]    run the test suite; further arguments go to pytest
rem
rem Needs Python 3.11 or newer and nothing else. Settings: .env.example
setlocal
cd /d "%~dp0"

set "command=%~1"
if "%command%"=="" set "command=run"
if "%command%"=="--help" goto help
if "%command%"=="-h" goto help
if "%command%"=="run" goto run
if "%command%"=="test" goto test
echo startup.bat: unknown command '%command%'; there are: run (the default), test 1>&2
exit /b 1

:help
echo   startup.bat               install what is missing, serve on http://127.0.0.1:5000 until Ctrl-C
echo   startup.bat test [...]    run the test suite; further arguments go to pytest
echo Needs Python 3.11 or newer and nothing else. Settings: .env.example
exit /b 0

:run
if not "%~2"=="" (
    echo startup.bat: run takes no arguments; settings come from the environment or .env 1>&2
    exit /b 1
)
call :install requirements-local.txt || exit /b 1
.venv\Scripts\python.exe -m app run
exit /b %errorlevel%

:test
call :install requirements-dev.txt || exit /b 1
rem All that follows "test", as it was typed: %1, %2 and so on would lose the "=" of --option=value.
set rest=%*
set rest=%rest:*test=%
.venv\Scripts\python.exe -m pytest%rest%
exit /b %errorlevel%

:install
rem An interrupted venv has a python already, but no pip: it is made again.
if exist .venv\unfinished goto make
if exist .venv\Scripts\python.exe goto requirements
:make
call :find_python || exit /b 1
echo Making .venv ...
if exist .venv rmdir /s /q .venv
mkdir .venv
type nul >.venv\unfinished
"%python%" %version% -m venv .venv
if errorlevel 1 (
    echo startup.bat: cannot make .venv 1>&2
    exit /b 1
)
del .venv\unfinished
:requirements
fc /b "%~1" ".venv\installed-%~1" >nul 2>&1
if not errorlevel 1 exit /b 0
echo Installing %~1, which takes a minute or two ...
.venv\Scripts\python.exe -m pip install --quiet --disable-pip-version-check --require-hashes -r "%~1"
if errorlevel 1 (
    echo startup.bat: cannot install %~1; the lines above say why 1>&2
    exit /b 1
)
copy /y "%~1" ".venv\installed-%~1" >nul
exit /b 0

:find_python
rem The launcher "py" needs -3, the others no option.
set "version="
if defined PYTHON (
    call :is_new_enough "%PYTHON%" && exit /b 0
    goto too_old
)
set "version=-3"
call :is_new_enough py && exit /b 0
set "version="
call :is_new_enough python && exit /b 0
call :is_new_enough python3 && exit /b 0
:too_old
echo startup.bat: needs Python 3.11 or newer; set PYTHON to one 1>&2
exit /b 1

:is_new_enough
"%~1" %version% -c "import sys; sys.exit(sys.version_info < (3, 11))" >nul 2>&1
if errorlevel 1 exit /b 1
set "python=%~1"
exit /b 0
