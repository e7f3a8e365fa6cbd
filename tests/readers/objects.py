"""Copies folders into and out of object stores, without kilde.

`objects.py URL put FOLDER BELOW`  every file of FOLDER, as objects below BELOW; makes the bucket (the first part of BELOW)
`objects.py URL get BELOW FOLDER`  every object below BELOW, as files of FOLDER, which is emptied first
URL: `s3://127.0.0.1:PORT`, `azure://…` or `careless://…`, as `emulator.py` names them.
"""

import os
import shutil
import sys
import urllib.parse

from pyarrow import fs


def store(url):
    url = urllib.parse.urlparse(url)
    if url.scheme != "azure":
        key = "S3RVER" if url.scheme == "careless" else "test"
        return fs.S3FileSystem(
            access_key=key,
            secret_key=key,
            region="us-east-1",
            scheme="http",
            endpoint_override=url.netloc,
            allow_bucket_creation=True,
        )
    return fs.AzureFileSystem(
        "devstoreaccount1",
        # known to everybody: the emulator's only account
        account_key="Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        blob_storage_authority=url.netloc,
        blob_storage_scheme="http",
        dfs_storage_authority=url.netloc,
        dfs_storage_scheme="http",
    )


def main():
    url, command, source, target = sys.argv[1:]
    remote = store(url)
    if command == "put":
        bucket = target.split("/")[0]
        if remote.get_file_info(bucket).type == fs.FileType.NotFound:
            remote.create_dir(bucket)
        for folder, _, names in os.walk(source):
            for name in names:
                path = os.path.join(folder, name)
                below = os.path.relpath(path, source).replace(os.sep, "/")
                with open(path, "rb") as file, remote.open_output_stream(f"{target}/{below}", compression=None) as out:
                    shutil.copyfileobj(file, out)
        return
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    for found in remote.get_file_info(fs.FileSelector(source, recursive=True, allow_not_found=True)):
        if found.type == fs.FileType.File:
            path = os.path.join(target, os.path.relpath(found.path, source))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with remote.open_input_stream(found.path, compression=None) as file, open(path, "wb") as out:
                shutil.copyfileobj(file, out)
            # so that whoever looks sees what was written again
            os.utime(path, ns=(found.mtime_ns, found.mtime_ns))


main()
