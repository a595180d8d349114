"""Datasets: files to uint8 tensors or a folder of images, fixed splits, batched augmentation."""
