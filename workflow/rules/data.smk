rule prepare_data:
    input:
        lambda wc: PRODUCTS.data_files(wc.dataset),
    output:
        train=f"{layout.DATA}/train.safetensors",
        val=f"{layout.DATA}/val.safetensors",
        test=f"{layout.DATA}/test.safetensors",
        meta=f"{layout.DATA}/meta.json",
    log:
        "logs/prepare_data/{dataset}.log",
    benchmark:
        f"{layout.BENCHMARKS}/prepare_data/{{dataset}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("prepare_data")
    resources:
        **REQUESTS.resources("prepare_data"),
    params:
        spec=lambda wc: SPECS.data(wc.dataset),
    script:
        "../scripts/prepare_data.py"
