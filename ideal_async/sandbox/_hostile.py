"""The worst day of a service: profiles of faults by name, in the language of `_script`.

Every job still ends, with the truth: what is left out are lies about money that no client can see through, such as an
error code for a task that was created and charged, or a result that is somebody else's.
"""

#: What the profile "hostile" mixes, by kind. The odds are such that about one call in three meets something.
HOSTILE: dict[str, str] = {
    "in between, to a look": """
        look 1%: 200 portal
        look 0.5%: 200 html
        look 0.5%: 200 empty
        look 0.5%: 204
        look 0.5%: 302 to https://login.example.net/hotel
        look 0.5%: 301 to /elsewhere
        look 0.5%: 307 to https://api.example.net/
        look 0.5%: 401 html by nginx
        look 0.5%: 403 html by cloudflare
        look 0.5%: 404 html by nginx
        look 1%: 502 html by nginx
        look 0.5%: 503
        look 0.5%: 504 empty
    """,
    "in between, to a submit": """
        submit 0.5%: 301 to /elsewhere
        submit 0.5%: 307 to https://api.example.net/
        submit 0.5%: 308 to /elsewhere
        submit 0.5%: 401 html by nginx
        submit 0.5%: 403 html by cloudflare
        submit 0.5%: 404 html by nginx
        submit 0.5%: 407 html by squid
        submit 0.5%: 413 empty
    """,
    "in between, and the task is paid": """
        submit 0.5%: 200 portal
        submit 0.5%: 204 after
        submit 0.5%: 200 empty after
        submit 0.5%: 200 html after
        submit 0.5%: 302 to https://login.example.net/hotel after
        submit 0.5%: 303 to /elsewhere after
        submit 0.5%: 408 empty after
        submit 0.5%: 409 html after
        submit 0.5%: 499 empty after
        submit 1%: 502 html by nginx after
        submit 0.5%: 504 html by nginx after
    """,
    "lost connections": """
        submit 1%: drop
        submit 1%: drop after
        submit 0.5%: cut 50%
        submit 0.5%: truncate 50%
        look 1%: drop
        look 1%: cut 50%
        look 1%: truncate 50%
        look 0.2%: delay 45
        submit 0.2%: delay 90
    """,
    "codes": """
        submit 0.5%: 200 code 1001
        submit 0.5%: 200 code 1003
        submit 0.5%: 500 code 1003
        submit 0.5%: 200 code 4711
        submit 0.5%: 200 code 200 data 77
        submit 0.5%: 400 code 1011 data 77
        submit 0.5%: 200 code 0
        submit 0.5%: envelope code=200
        submit 0.5%: envelope code=1001 message=queued
        submit 0.5%: envelope code="0"
        look 0.5%: 200 code 1001
        look 1%: 200 code 1003
        look 0.5%: 200 code 4711
        look 0.5%: 200 code 0
        look 0.5%: 200 code 0 data []
        look 0.1%: 200 code 5002
    """,
    "Retry-After": """
        submit 0.5%: 429 retry-after 0
        submit 0.5%: 429 retry-after 0.5
        submit 0.5%: 429 retry-after date+20
        submit 0.3%: 429 code 1003 retry-after 2
        look 0.5%: 429 retry-after 0
        look 0.5%: 503 retry-after 7.5
        look 0.5%: 503 retry-after date+30
        look 0.2%: 429 retry-after "Fri,\\u002031\\u0020Dec\\u00201999\\u002023:59:59\\u0020GMT"
        look 0.2%: 429 retry-after 1e300
        look 0.2%: 429 retry-after -5
        look 0.2%: 429 retry-after soon
    """,
    "side fields": """
        look 1%: show percentage="30%"
        look 1%: show percentage="30.5"
        look 1%: show percentage=NaN
        look 0.5%: show percentage=1e400 waitNumber=-1
        look 1%: show waitNumber=""
        look 0.5%: show waitNumber=[] input=7
        look 1%: show output.cover=[]
        look 0.5%: show output.cover=null output.width="auto"
        look 0.5%: show output.cover="http://[" output.height="720.0"
        look 0.5%: hide input waitNumber percentage output.cover output.width
        look 0.5%: show eta=12 output.bytes=5 worker={"name":"w1"}
    """,
    "ids": """
        submit 1%: id text
        look 1%: id text
        look 1%: id null
        look 1%: id rounded
        look 1%: hide id
    """,
    "statuses": """
        look 2%: say Success=SUCCESS Failed=FAILED Processing=PROCESSING Unprocessed=UNPROCESSED
        look 2%: say Success="\\u0020success" Failed="failed\\u0020" Processing=processing Unprocessed=unprocessed
        look 1%: say Processing=Rendering Unprocessed=Paused
        look 1%: say Success=Ready
        look 0.5%: show status=null
        task 1%: fail
        task 1%: prohibit
        task 0.5%: fail as Cancelled
        task 0.5%: fail as EXPIRED
    """,
    "late results": """
        task 2%: url after 12
        task 1%: url after 30 null
        task 1%: url after 20 missing
        task 1%: url after 25 relative
        task 2%: file after 8
        task 2%: signed
    """,
    "text": """
        submit 0.5%: garbled bom
        submit 0.5%: garbled latin-1
        submit 0.5%: garbled newline
        submit 0.5%: garbled surrogate
        submit 0.2%: garbled long
        look 0.5%: garbled latin-1
        look 0.5%: garbled newline
        look 0.5%: garbled surrogate
        look 0.5%: garbled bom
        look 0.5%: garbled utf-16
        look 0.2%: garbled long
    """,
    "packed": """
        submit 0.5%: packed gzip
        submit 0.2%: packed gzip gzip
        submit 0.2%: packed snappy
        submit 0.1%: bomb
        look 1%: packed gzip
        look 0.5%: packed deflate
        look 0.5%: packed gzip gzip
        look 0.5%: packed snappy
        look 0.2%: bomb
        look 0.2%: bomb once
    """,
    "slow bodies": """
        submit 0.2%: drip 5
        look 0.2%: drip 50
        look 0.2%: endless
    """,
    "videos": """
        download 3%: 200 html
        download 1%: 200 portal
        download 2%: 404
        download 2%: 503 retry-after 1
        download 2%: drop
        download 3%: cut 50%
        download 1%: truncate 50%
        download 1%: expired
        download 1%: drip 2000
        download 0.5%: endless
        download 1%: packed gzip
        download 0.2%: bomb
        download 1%: 302 to https://login.example.net/hotel
    """,
    "slow tasks": """
        task 1%: takes 900
        task 1%: stuck at 0
        task 1%: stuck at 99
        task 1%: percentage 10 60 30 90
    """,
}

#: Profiles by name; each maps its kinds of fault to lines of a script.
PROFILES = {"hostile": HOSTILE}
